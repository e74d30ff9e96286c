"""The rule book: every rule in this package, and those that others install."""

import importlib
import pkgutil
import sys
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import rules
from analyzer.core.errors import UsageError
from analyzer.core.rulebook import WHATEVER, AbsentRule, offered_rules
from rules.base import Rule

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


def all_rules(folder: Path | None = None) -> tuple[AnyRule | AbsentRule, ...]:
    """Return our own rules, every installed one and a folder's, each slug once, ours first.

    Args:
        folder: Holds one rule a file; its files are run. None: no folder.

    Raises:
        UsageError: The folder, or a file in it, holds no rule.
    """
    known: dict[str, AnyRule | AbsentRule] = {rule.slug: rule for rule in ours()}
    for rule in offered_rules():
        if isinstance(rule, Rule | AbsentRule):
            known.setdefault(rule.slug, rule)
    for rule in () if folder is None else _in_folder(folder):
        if rule.slug in known:
            raise UsageError(
                f"{folder} holds a rule {rule.slug}, and there is one of that name",
                hint="call the file and the slug something else",
            )
        known[rule.slug] = rule
    return tuple(known.values())


def _in_folder(folder: Path) -> tuple[AnyRule, ...]:
    """Return the rules of a folder, in the order of their files' names."""
    files = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    if not files:
        raise UsageError(
            f"{folder} holds no rule",
            hint="name a folder with one rule a file, as the files in rules/ are",
        )
    return tuple(map(_in_file, files))


def _in_file(path: Path) -> AnyRule:
    """Return the rule of a file, after running it."""
    name = f"pivotfix_rule_{path.stem}"
    loader = SourceFileLoader(name, str(path))
    module = sys.modules[name] = ModuleType(name)
    try:
        loader.exec_module(module)
    except WHATEVER as surprise:
        raise UsageError(
            f"{path} cannot be run: {type(surprise).__name__}: {surprise}",
            hint="a rule file is as the files in rules/ are",
        ) from surprise
    rule = getattr(module, "RULE", None)
    if not isinstance(rule, Rule):
        raise UsageError(
            f"{path} gives no RULE", hint="set RULE = Rule(...) as the files in rules/ do"
        )
    return rule


def module_of(rule: AnyRule) -> ModuleType:
    """Return the module a rule is defined in: its docstring is the rule's documentation."""
    return sys.modules[getattr(rule.detect, "__module__", Rule.__module__)]
