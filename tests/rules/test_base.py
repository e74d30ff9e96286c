"""A rule as the analysis sees it, on faults built by hand."""

from dataclasses import replace

import numpy as np
import pytest

from analyzer.core.types import (
    Aspect,
    Difference,
    Fault,
    Node,
    Region,
    Sample,
    SetAttribute,
    Status,
    TensorPair,
)
from rules.discovery import all_rules, ours
from rules.evidence import blamed, facets, fits
from rules.graph.operator_missing import RULE as OPERATOR_MISSING
from rules.settings.attribute_differs import RULE as ATTRIBUTE_DIFFERS


def leaky(name: str, alpha: float) -> Node:
    """Return a LeakyRelu that reads ``x``."""
    return Node(name, "LeakyRelu", "", 17, ("x",), (f"{name}_out",), {"alpha": alpha}, {})


def alpha_differs(name: str, *, cure: float | None, jointly: bool = False) -> Difference:
    """Return a difference in a slope of 0.3, which the target has as 0.01."""
    nodes = leaky(f"{name}_source", 0.3), leaky(name, 0.01)
    return Difference(
        Aspect.ATTRIBUTE, "alpha", 0.3, 0.01, *nodes, cure=cure, jointly=jointly
    )


def fault(*differences: Difference, status: Status = Status.FAULT) -> Fault:
    """Return a fault of the nodes that some differences are about."""
    source = tuple(d.source_node for d in differences if d.source_node)
    target = tuple(d.target_node for d in differences if d.target_node)
    return Fault(
        Region(source, ("x",), ("y",)),
        Region(target, ("x",), ("y",)),
        (TensorPair("x", "x"),),
        (TensorPair("y", "y"),),
        (),
        differences,
        (),
        (),
        local_error=0.5,
        noise_floor=1e-6,
        output_error=0.1,
        affected=1,
        samples=1,
        recorded=(),
        status=status,
    )


def test_a_difference_that_cures_is_a_finding() -> None:
    """The finding names the node, its output, the numbers, and carries the edit."""
    (finding,) = ATTRIBUTE_DIFFERS.judge(fault(alpha_differs("act", cure=0.0)))

    assert finding.target_nodes == ("act",)
    assert finding.target_tensors == ("act_out",)
    assert finding.message == "LeakyRelu act: alpha is 0.01, the source's is 0.3"
    assert finding.fix is not None
    match finding.fix.edits:
        case (SetAttribute(node="act", attribute="alpha", value=value),):
            assert value == 0.3
        case _:
            pytest.fail("one attribute is to be set")


def test_a_difference_that_does_not_cure_is_no_finding() -> None:
    """What leaves the error as it is, or was never tested, proves nothing."""
    assert ATTRIBUTE_DIFFERS.judge(fault(alpha_differs("act", cure=0.4))) == ()
    assert ATTRIBUTE_DIFFERS.judge(fault(alpha_differs("act", cure=None))) == ()


def test_declared_loss_of_precision_is_not_explained_away() -> None:
    """Drift is nobody's fault, and nothing is offered to undo it."""
    drift = fault(alpha_differs("act", cure=0.0), status=Status.DRIFT)

    assert ATTRIBUTE_DIFFERS.judge(drift) == ()


def test_what_no_probe_excites_needs_no_cause_test() -> None:
    """A latent fault rests on the difference alone."""
    latent = fault(alpha_differs("act", cure=None), status=Status.LATENT)

    assert [f.status for f in ATTRIBUTE_DIFFERS.judge(latent)] == [Status.LATENT]


def test_causes_that_only_cure_together_are_findings_of_their_own() -> None:
    """Two wrong nodes in one region are two findings, each with its own edit."""
    both = [alpha_differs(name, cure=0.0, jointly=True) for name in ("one", "two")]
    findings = ATTRIBUTE_DIFFERS.judge(fault(*both))

    assert [finding.target_nodes for finding in findings] == [("one",), ("two",)]
    assert len({finding.id for finding in findings}) == 2
    assert len(facets(fault(*both))) == 2


def test_the_simplest_cure_is_blamed_first() -> None:
    """Of an attribute and a weight that each cure alone, the attribute is the cause."""
    one = alpha_differs("act", cure=0.0)
    weight = replace(one, aspect=Aspect.WEIGHT, field="input1", target=np.ones(9))

    assert blamed(fault(weight, one)) == (one, weight)


def measured(observed: list[float], expected: list[float]) -> Fault:
    """Return a fault whose one result was seen on one sample."""
    seen = {"y": np.asarray(observed)}, {"y": np.asarray(expected)}
    return replace(fault(), recorded=(Sample({}, {}, {}, seen[1], seen[0]),))


def test_a_hypothesis_must_hold_on_every_element() -> None:
    """What mends one number and not the other explains nothing."""
    mended = measured([-1.0, 2.0], [1.0, 2.0])
    half = measured([-1.0, -2.0], [1.0, -2.0])

    assert fits(mended, lambda observed, _: np.abs(observed), "y")
    assert not fits(half, lambda observed, _: np.abs(observed), "y")


def test_what_was_right_needs_no_hypothesis() -> None:
    """A result that agrees proves no operator missing."""
    assert not fits(measured([1.0], [1.0]), lambda observed, _: observed, "y")


def test_a_missing_operator_is_proven_by_values() -> None:
    """What came out, floored, is what should have come out: Floor is missing."""
    lost = Node("round", "Floor", "", 17, ("x",), ("y",), {}, {})
    kept = leaky("act", 0.3)
    found = measured([1.7, -0.5], [1.0, -1.0])
    whole = replace(
        found,
        source=Region((kept, lost), ("x",), ("y",)),
        target=Region((kept,), ("x",), ("y",)),
    )
    (finding,) = OPERATOR_MISSING.judge(whole)

    assert finding.message == "y: the source's Floor is missing behind it"
    assert finding.target_tensors == ("y",)


def test_installed_rules_are_known_once() -> None:
    """Our own rules come by the package and by the entry point, and count once."""
    slugs = [rule.slug for rule in all_rules()]

    assert sorted(slugs) == sorted(set(slugs))
    assert set(slugs) >= {rule.slug for rule in ours()}
