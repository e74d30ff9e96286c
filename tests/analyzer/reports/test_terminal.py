"""The words on the screen, whole, at a fixed width."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from analyzer.core.report import ALREADY, Coverage, NotCompared, Report, Verdict
from analyzer.core.types import Finding, Status, Where
from analyzer.reports.terminal import brief, headline, render, shortened

MakeReport = Callable[..., Report]
MakeFinding = Callable[..., Finding]

DIVERGENT = """\
divergent: net.tflite is not net.keras: 1 root fault

 #   rule             class            layer          local error   x floor   samples
 ────────────────────────────────────────────────────────────────────────────────────
 1   weight-differs   weights biases   stem → conv1           0.5   500,000    7 of 8

1. Conv conv1: 2 of 2 numbers of input1 are not the source's
   at conv1_out
   in model.py:12
   fix: Restore input1 of conv1

probes: 8 synthetic samples, seed 0
output probabilities → probs: relative error 0.9, x 450,000 over the floor, outside
tolerance, labels differ on 25 % of the samples
coverage: 28 operator pairs compared, 1 source node and 0 target nodes unpaired
not compared: mask (its pair was not found)
propagated: an error that is not their own is in 22 more tensors
"""

HEALTHY = """\
equivalent: net.tflite computes what net.keras computes
probes: 8 synthetic samples, seed 0
coverage: 29 operator pairs compared, 0 source nodes and 0 target nodes unpaired
"""


def test_a_divergent_pair_is_told_whole(report: MakeReport) -> None:
    """Verdict first, then rule, layer, error, cure, outputs, coverage and propagation."""
    assert render(report(), width=88) == DIVERGENT


def test_a_healthy_pair_is_told_in_three_lines(report: MakeReport) -> None:
    """Where nothing is wrong there is no table."""
    healthy = report(
        verdict=Verdict.EQUIVALENT,
        findings=(),
        outputs=(),
        propagated=0,
        coverage=Coverage(29, (), (), ()),
    )

    assert render(healthy, width=88) == HEALTHY


def test_quiet_is_the_verdict_alone(report: MakeReport) -> None:
    """-q leaves one line."""
    said = render(report(), verbosity=-1)

    assert said == "divergent: net.tflite is not net.keras: 1 root fault\n"


def test_verbose_adds_models_and_seconds(report: MakeReport) -> None:
    """-v says what each pivot is and where the time went."""
    said = render(report(), width=120, verbosity=1)

    assert "models/net.keras: keras, pivot of 47 nodes at opset 18" in said
    assert "fidelity gap 1.2e-06" in said
    assert "models/net.tflite: tflite, pivot of 32 nodes at opset 18" in said
    assert "fidelity gap not measured" in said
    assert "seconds: load 5.4, compare 0.5" in said


def test_a_kept_fix_says_why(mended: Report) -> None:
    """After a repair the outcome stands where the fix stood."""
    said = render(mended)

    assert said.startswith(
        "repaired: 1 fault of net.tflite mended; it now computes what net.keras computes\n"
    )
    assert "   kept: the error of its region is gone\n" in said
    assert "fix:" not in said


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict.INCONCLUSIVE, "too little of net.keras and net.tflite could be compared"),
        (Verdict.IMPROVED, "0 of 1 fault of net.tflite mended; the rest remain"),
        (Verdict.UNREPAIRED, "no fix for net.tflite was tried, so nothing is written"),
    ],
)
def test_every_verdict_has_its_sentence(
    report: MakeReport, verdict: Verdict, said: str
) -> None:
    """The first line says what the verdict means for these two files."""
    assert headline(report(verdict=verdict)) == said


def test_all_faults_mended_leave_no_rest(mended: Report) -> None:
    """Where all that was found is mended, the headline says what is wrong all the same."""
    improved = replace(mended, verdict=Verdict.IMPROVED)
    right = tuple(replace(one, within=True) for one in improved.outputs)
    said = "1 of 1 fault of net.tflite mended; "
    converted = replace(improved, outputs=right)
    same = "what net.keras computes"

    assert headline(improved) == f"{said}it still does not compute {same}"
    assert headline(converted) == f"{said}as an ONNX file it computes {same}"


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("rule", ["transpose-perm-wrong", "input-channels-reversed"])
def test_no_word_of_a_rule_is_split(
    report: MakeReport, finding: MakeFinding, rule: str, width: int
) -> None:
    """A rule goes on in the next line at a hyphen, and takes no column from the numbers."""
    found = finding(rule=rule, local_error=3.01e9, noise_floor=2e-7)
    said = render(report(findings=(found,)), width=width)

    assert all(f" {word}" in said or f"-{word}" in said for word in rule.split("-"))
    assert "1.5e+16    7 of 8" in said
    assert max(map(len, said.splitlines())) <= width


def test_copy_is_not_called_a_repair(report: MakeReport) -> None:
    """A target that was equivalent already was not repaired."""
    copied = report(command="repair", verdict=Verdict.REPAIRED, findings=(), ended=ALREADY)

    assert render(copied, verbosity=-1) == (
        "equivalent: net.tflite computes what net.keras computes already; nothing to mend\n"
    )


def test_fix_that_was_tried_did_not_hold(
    report: MakeReport, finding: MakeFinding, mended: Report
) -> None:
    """Nothing is written either way, but not for the same reason."""
    tried = finding(outcome=mended.findings[0].outcome)
    said = headline(report(verdict=Verdict.UNREPAIRED, findings=(tried,)))

    assert said == "no fix for net.tflite held, so nothing is written"


def test_drift_is_called_drift(report: MakeReport, finding: MakeFinding) -> None:
    """What is no fault says what it is, and is not counted as a root."""
    drift = finding(status=Status.DRIFT, rule="precision-lowered")
    said = render(report(verdict=Verdict.EQUIVALENT, findings=(drift,)), width=120)

    assert "precision-lowered (drift)" in said
    assert "root fault" not in said


def test_harmless_differences_are_counted(report: MakeReport, finding: MakeFinding) -> None:
    """What does not matter is shown to those who ask."""
    harmless = report(findings=(finding(status=Status.HARMLESS),))

    assert "1 harmless difference not shown; -v shows them" in render(harmless)
    assert "weight-differs (harmless)" in render(harmless, width=120, verbosity=1)


def test_an_importers_fault_is_not_blamed_on_the_conversion(
    report: MakeReport, finding: MakeFinding
) -> None:
    """A fault of our own importer says so."""
    said = render(report(findings=(finding(where=Where.SOURCE_IMPORT),)))

    assert "made by source import, not by the conversion" in said


def test_numbers_that_are_none_are_words(report: MakeReport, finding: MakeFinding) -> None:
    """An infinite error is not shown as inf times something."""
    said = render(report(findings=(finding(local_error=float("inf")),)), width=120)

    assert "infinite" in said
    assert " inf " not in said


def test_a_finding_without_layers_goes_by_its_tensor(
    report: MakeReport, finding: MakeFinding
) -> None:
    """Where the user's layer is unknown the pivot's tensor stands in."""
    bare = finding(native_source=None, native_target=None)

    assert "conv1_out" in render(report(findings=(bare,))).splitlines()[4]


def test_long_names_lose_their_middle() -> None:
    """A name of 120 characters becomes one of 59, both its ends readable."""
    name = f"first/{'x' * 110}/end"

    assert len(brief(name)) <= 60
    assert brief(name).startswith("first/")
    assert brief(name).endswith("/end")
    assert shortened(f"Conv {name}: wrong") == f"Conv {brief(name)}: wrong"


def test_names_stay_whole_when_asked(report: MakeReport, finding: MakeFinding) -> None:
    """-v shows what can be copied into another tool."""
    name = "n" * 90
    long = report(findings=(finding(target_tensors=(name,)),))

    assert name in render(long, width=120, verbosity=1)
    assert name not in render(long, width=120)


def test_a_long_list_is_cut(report: MakeReport) -> None:
    """Many things not compared are counted beyond the fifth."""
    missed = tuple(NotCompared(f"node{place}", "no pair") for place in range(9))
    said = render(report(coverage=Coverage(1, (), (), missed)))

    assert "not compared: node4 (no pair)" in said
    assert "node5" not in said
    assert "not compared: 4 more; -v shows them" in said


def test_colour_is_only_where_asked(report: MakeReport) -> None:
    """A report for a file holds no escape codes."""
    assert "\x1b" not in render(report())
    assert "\x1b" in render(report(), colour=True)


def test_names_that_look_like_markup_are_kept(
    report: MakeReport, finding: MakeFinding
) -> None:
    """A layer may be called anything, square brackets included."""
    odd = finding(native_source="[bold]a", native_target=None, message="[/] is wrong")
    said = render(report(findings=(odd,)), width=120)

    assert "[bold]a" in said
    assert "[/] is wrong" in said


def test_what_was_dropped_is_told_up_to_a_bound(mended: Report) -> None:
    """Two tries with their errors, then a count; everything with -v."""
    text, whole = render(mended), render(mended, verbosity=1)

    assert "dropped: Restore strides (0.5 → 0.5: the error of its region stays" in text
    assert "dropped: 1 more; -v shows them" in text
    assert whole.count("dropped: ") == 3
