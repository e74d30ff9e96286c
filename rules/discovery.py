"""The rule book: every rule in this package, and those that others install."""

import importlib
import pkgutil
from functools import lru_cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

import rules
from rules.base import Rule

GROUP = "pivotfix.rules"
"""The entry-point group under which a package offers rules."""

AnyRule = Rule[Any]
"""A rule of whatever cause: only the rule itself looks into it."""


@lru_cache(maxsize=1)
def ours() -> tuple[AnyRule, ...]:
    """Return this package's own rules, in the order of their slugs."""
    modules = (
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(rules.__path__, "rules.")
        if found.name.count(".") == 2  # noqa: PLR2004 - rules.<family>.<file>
    )
    found = [module.RULE for module in modules if hasattr(module, "RULE")]
    return tuple(sorted(found, key=lambda rule: rule.slug))


def all_rules() -> tuple[AnyRule, ...]:
    """Return our own rules and every installed one, each slug once, ours first."""
    known = {rule.slug: rule for rule in ours()}
    for entry in entry_points(group=GROUP):
        offered = entry.load()
        several = offered() if not isinstance(offered, Rule) else (offered,)
        for rule in several:
            known.setdefault(rule.slug, rule)
    return tuple(known.values())


def rule_named(slug: str) -> AnyRule | None:
    """Return the rule of a slug, None where there is none."""
    return next((rule for rule in all_rules() if rule.slug == slug), None)


def module_of(rule: AnyRule) -> ModuleType:
    """Return the module a rule is defined in: its docstring is the rule's documentation."""
    return importlib.import_module(rule.detect.__module__)
