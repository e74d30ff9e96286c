"""Every framework answers what it computes inside a model, by pivot tensor."""

from collections.abc import Callable

import numpy as np
import pytest

from analyzer.core.types import Feeds, Pivot

Load = Callable[..., Pivot]
Draw = Callable[..., Feeds]


def inner(model: Pivot) -> list[str]:
    """Return the tensors that a pivot computes."""
    return [name for node in model.model.graph.node for name in node.output]


@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("network.keras", "Conv"),
        ("network_saved", "Conv"),
        ("network.pb", "Conv"),
        ("network.tflite", "Conv"),
    ],
)
def test_native_values_are_given_by_pivot_tensor(
    load: Load, draw: Draw, name: str, operator: str
) -> None:
    """Of the tensors inside, most are the framework's own; an unknown one is left out."""
    model = load(name)
    assert model.native_values is not None
    values = model.native_values(draw(model), [*inner(model), "no such tensor"])
    made = [one.output[0] for one in model.model.graph.node if one.op_type == operator]

    assert "no such tensor" not in values
    assert set(made) & values.keys()
    assert all(isinstance(value, np.ndarray) for value in values.values())


@pytest.mark.parametrize(
    "name",
    [
        *("network.keras", "network.pb", "network.tflite"),
        *("two_loops.tflite", "two_loops_half.tflite"),
    ],
)
def test_sound_import_has_no_wrong_operator(load: Load, draw: Draw, name: str) -> None:
    """Fed native values, every operator gives native values.

    A loop leaves in what nothing reads what the memory held, which is nobody's value.
    """
    model = load(name)
    assert model.remake is not None

    looked = model.remake([draw(model)])
    assert looked is None or looked.wrong == ()
