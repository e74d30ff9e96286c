"""An operator inside a loop or a branch is told by itself."""

from collections.abc import Callable
from pathlib import Path

from analyzer.core.types import Feeds, Pivot

Import = Callable[[Path], Pivot]


def test_operator_inside_a_body_is_told(
    converted: Path, ours: Import, feeds: Callable[..., Feeds]
) -> None:
    """LiteRT stops at the ends of an integer, ONNX Runtime does not; the rest agrees."""
    model = ours(converted / "overflowing.tflite")
    assert model.remake is not None
    looked = model.remake([feeds(model)])

    assert looked is not None
    assert len(looked.wrong) == 2
    assert {one.operator.split(" ", 1)[0] for one in looked.wrong} == {"CAST"}
    assert all("of the graph" in one.operator for one in looked.wrong)
