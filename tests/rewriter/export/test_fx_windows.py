"""Windows that go into a torch program pad as ONNX says, or are refused."""

import pytest

from analyzer.core.errors import ExportError
from analyzer.core.types import Node

torch = pytest.importorskip("torch")

fx_caller = pytest.importorskip("rewriter.export.child.fx_caller")
fx_constants = pytest.importorskip("rewriter.export.child.fx_constants")
fx_windows = pytest.importorskip("rewriter.export.child.fx_windows")


def pool(pads: tuple[int, ...]) -> tuple[object, ...]:
    """Return the arguments of the call for an AveragePool that leaves its padding out."""

    class Same(torch.nn.Module):  # type: ignore[misc]  # untyped package
        def forward(self, image: object) -> object:
            return image

    program = torch.export.export(Same(), (torch.zeros(1, 1, 4, 4),))
    image = next(node for node in program.graph.nodes if node.op == "placeholder")
    said = {"kernel_shape": (3, 3), "pads": pads, "count_include_pad": 0, "ceil_mode": 0}
    node = Node("pool", "AveragePool", "", 18, ("image",), ("out",), said, {})
    held = fx_constants.Constants(program)
    caller = fx_caller.Caller(program, held, {"image": image}, None)
    return tuple(fx_windows.mean(caller, node).args)


def test_mean_pads_both_ends_alike() -> None:
    """Padding that differs between axes, and not between ends, is the call's own."""
    assert pool((0, 1, 0, 1))[3] == [0, 1]


def test_mean_refuses_zeros_that_it_would_count() -> None:
    """Behind an axis alone, a pooling of torch would count the zeros it pads."""
    with pytest.raises(ExportError, match="uneven padding is not counted"):
        pool((0, 0, 1, 1))
