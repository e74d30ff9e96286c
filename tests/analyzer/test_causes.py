"""What makes a region's error vanish is its cause, alone or together with others."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from analyzer.core.types import Array, Difference, Fault

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]
IMAGE = np.random.default_rng(3).normal(size=(1, 2, 6, 6)).astype(np.float32)
KERNEL = np.random.default_rng(4).normal(size=(3, 2, 3, 3)).astype(np.float32)
BIAS = np.float32([1.0, 2.0, 3.0])
CONV = "(float[1,2,6,6] x) => (y) {{ y = Conv<pads={}>(x, k, b) }}"
RIGHT, SHIFTED = CONV.format("[1,1,1,1]"), CONV.format("[2,2,0,0]")


def causes(faults: tuple[Fault, ...]) -> dict[str, Difference]:
    """Return the tested differences of the only fault, by field."""
    (fault,) = faults
    return {difference.field: difference for difference in fault.differences}


def weights(**changed: Array) -> dict[str, Array]:
    """Return the convolution's weights, some of them changed."""
    return {"k": KERNEL, "b": BIAS, **changed}


def test_cause_cures_and_innocent_difference_does_not(
    bench: Bench, located: Located
) -> None:
    """Of a wrong padding and a wrong dilation of one by one, one explains the error."""
    found = causes(located(bench(RIGHT, SHIFTED, IMAGE, weights())))

    assert found["pads"].cure == 0.0
    assert not found["pads"].jointly


def test_causes_that_only_cure_together_are_marked(bench: Bench, located: Located) -> None:
    """A wrong bias and a wrong padding in one node are two causes."""
    found = causes(located(bench(RIGHT, SHIFTED, IMAGE, weights(), {"b": -BIAS})))

    assert {field for field, one in found.items() if one.jointly} == {"pads", "input2"}
    assert all(one.cure == 0.0 for one in found.values() if one.jointly)


def test_difference_that_is_not_needed_is_left_out(bench: Bench, located: Located) -> None:
    """A weight that differs by less than the floor is no cause."""
    almost = KERNEL * np.float32(1.0 + 1e-6)
    found = causes(
        located(bench(RIGHT, SHIFTED, IMAGE, weights(), {"b": -BIAS, "k": almost}))
    )

    assert {field for field, one in found.items() if one.jointly} == {"pads", "input2"}


def test_operator_of_another_kind_is_the_cause_and_no_field_of_it(
    bench: Bench, located: Located
) -> None:
    """A transposed convolution with the kernel turned: only the operator cures it."""
    other = "(float[1,2,6,6] x) => (y) { y = ConvTranspose<pads=[1,1,1,1]>(x, t, b) }"
    turned = {"t": KERNEL.transpose(1, 0, 2, 3).copy()}
    found = causes(located(bench(RIGHT, other, IMAGE, weights() | turned)))
    cures = [
        field for field, one in found.items() if one.cure is not None and one.cure < 0.1
    ]

    assert cures in (["op"], [])
