"""What is not mended wholly is written only where many probes prove it to be better."""

import numpy as np
import pytest

from rewriter.improvement import CHANCE, PROBES, Errors, doubt

CHAOS = np.random.default_rng(0).uniform(0.2, 0.6, PROBES)
"""Errors of an output that is off by whatever the probe makes of it."""


def errors(*outputs: np.ndarray) -> tuple[Errors, ...]:
    """Return the errors of outputs ``y0``, ``y1``, ... on each probe."""
    rows = zip(*outputs, strict=True)
    return tuple({f"y{n}": float(one) for n, one in enumerate(row)} for row in rows)


def test_half_the_error_is_an_improvement() -> None:
    """Though some probes are worse: chance moves each of them."""
    after = np.random.default_rng(1).permutation(CHAOS) / 2

    assert (after > CHAOS).any()
    assert not doubt(errors(CHAOS), errors(after), {})


def test_other_chaos_is_none() -> None:
    """Nearly nothing passes where a repair only shakes what is wrong anyhow."""
    drawn = [np.random.default_rng(seed).uniform(0.2, 0.6, PROBES) for seed in range(200)]

    passed = [after for after in drawn if not doubt(errors(CHAOS), errors(after), {})]
    assert len(passed) <= CHANCE * len(drawn)


def test_one_probe_mended_and_none_worse_is_an_improvement() -> None:
    """A fault that few probes excite is mended on those."""
    after = CHAOS.copy()
    after[7] = 0.0

    assert not doubt(errors(CHAOS), errors(after), {})


def test_what_nothing_moves_is_none() -> None:
    """The same errors prove nothing."""
    assert "chance" in doubt(errors(CHAOS), errors(CHAOS), {})


def test_one_output_must_not_pay_for_another() -> None:
    """An output whose worst grows speaks against all others, with its numbers."""
    after = errors(CHAOS / 10, CHAOS * 1.5)

    told = doubt(errors(CHAOS, CHAOS), after, {})
    assert told.startswith(f"output y1 is off by {1.5 * CHAOS.max():.3g}")
    assert f"{CHAOS.max():.3g} before" in told


def test_rounding_makes_nothing_worse() -> None:
    """Below its floor an output may move as it likes."""
    small = errors(CHAOS, CHAOS * 1e-7)

    assert not doubt(small, errors(CHAOS / 10, CHAOS * 2e-7), {"y1": 2e-6})


@pytest.mark.parametrize("after", [({},) * PROBES, errors(np.full(PROBES, np.inf))])
def test_model_that_stops_is_no_improvement(after: tuple[Errors, ...]) -> None:
    """What gives nothing, or NaN where there were numbers, is worse."""
    assert doubt(errors(CHAOS), after, {})


def test_model_that_runs_now_is_an_improvement() -> None:
    """Whatever it gives, before it gave nothing."""
    assert not doubt(({},) * PROBES, errors(CHAOS), {})
