"""What a comparison means: its faults as findings, in the words of rules."""

from collections.abc import Sequence

from analyzer.classify import classify, with_layers
from analyzer.comparison import Compared
from analyzer.core.options import Judge, Options, RuleBook
from analyzer.core.report import NotCompared, OutputPair
from analyzer.core.rulebook import offered_rules
from analyzer.core.types import Fault, Finding, Pivot, Status
from analyzer.coverage import compared_share
from analyzer.effect import decided_outputs
from analyzer.naming import said_in_file
from analyzer.outside import leftovers
from analyzer.size_nodes import with_sizes
from analyzer.unrelated import unrelated
from analyzer.view.inline import Opened


def explained(
    compared: Compared,
    *,
    both: tuple[Pivot, Pivot],
    sides: tuple[Opened, Opened],
    rules: RuleBook,
) -> tuple[tuple[Finding, ...], tuple[NotCompared, ...]]:
    """Return the findings with the user's own names, and the rules that failed.

    Args:
        compared: What comparing the values of two models gave.
        both: The models as they were loaded, the source's first.
        sides: The same with their fused operators opened.
        rules: The rule book, or what gives it; None: every rule that is installed.
    """
    if not compared.faults:
        return (), ()
    stranger = unrelated(compared, compared.faults)
    if stranger is not None:
        return (stranger,), ()
    faults = with_sizes(compared.faults, compared.source, sides[0].model, both[0].folder)
    findings, broken = classify(faults, _resolved(rules))
    named = (
        with_layers(finding, *both, compared.source, compared.target)
        for finding in findings
    )
    return said_in_file(named, *sides), broken


def explained_alone(
    faults: Sequence[Fault], rules: RuleBook
) -> tuple[tuple[Finding, ...], tuple[NotCompared, ...]]:
    """Return the findings of faults that lie in no comparison, and the rules that failed.

    Args:
        faults: Worst first.
        rules: The rule book, or what gives it; None: every rule that is installed.
    """
    return classify(faults, _resolved(rules))


def has_fault(findings: Sequence[Finding]) -> bool:
    """Return whether a finding is a fault, no drift and nothing latent."""
    return any(finding.status is Status.FAULT for finding in findings)


def unexplained(
    findings: Sequence[Finding],
    outputs: Sequence[OutputPair],
    compared: Compared,
    options: Options,
) -> tuple[Finding, ...]:
    """Return findings for outputs that deviate although nothing is at fault so far.

    Args:
        findings: What was found so far.
        outputs: Native outputs, compared.
        compared: What comparing the values of the models gave.
        options: The user's tolerances, which nothing excuses exceeding.
    """
    if has_fault(findings):
        return ()
    lossy = any(finding.status is Status.DRIFT for finding in findings)
    stated = {*options.rtol, *options.atol}
    return tuple(
        leftovers(
            outputs,
            len(compared.links),
            whole=compared_share(compared.target, compared.links) == 1.0,
            lossy=lossy,
            stated=stated,
            decided=decided_outputs(compared.target),
        )
    )


def _resolved(rules: RuleBook) -> Sequence[Judge]:
    """Return the rules, read only now that there is something to explain."""
    if rules is None:
        return installed_rules()
    return rules() if callable(rules) else rules


def installed_rules() -> tuple[Judge, ...]:
    """Return every rule that is installed."""
    return tuple(offered_rules())
