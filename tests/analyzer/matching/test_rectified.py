"""A rectifier that a quantized target holds in the ends of a grid."""

from pathlib import Path

import pytest
from onnx import parser

from analyzer.core.graph import nodes
from analyzer.matching.rectified import is_limited
from analyzer.view import view_of

TEXT = """<ir_version: 8, opset_import: ["": 17]>
net (float[4] x) => (float[4] y)
    <float step = {{{}}}, uint8 zero = {{0}}, float low = {{0}}, float high = {{6}}>
    {{ c = Neg(x) q = QuantizeLinear(c, step, zero) d = DequantizeLinear(q, step, zero)
       y = Clip(d, low, high) }}"""


@pytest.mark.parametrize(("step", "held"), [(6 / 255, {True}), (1.0, {False})])
@pytest.mark.parametrize("name", ["c", "d"])
def test_a_grid_within_the_bounds_holds_the_rectifier(
    name: str, step: float, held: set[bool]
) -> None:
    """What a tensor is put on, or came off, cuts off as much; a wider grid does not."""
    model = parser.parse_model(TEXT.format(step))
    clip = nodes(model, Path())[-1]

    assert {is_limited(view_of(model, Path()), name, clip)} == held
