"""A pivot is measured against the runtime that its file was made for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from analyzer import pivot
from analyzer.core.types import Feeds, Pivot

PROBES = [{"x": np.linspace(-1, 1, 4, dtype=np.float32).reshape(1, 4)}]


@pytest.fixture
def product(tmp_path: Path) -> Pivot:
    """A one-node model with a weight."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, (4, 2), range(8))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 2))],
        [weight],
    )
    file = tmp_path / "product.onnx"
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), file)
    return pivot.load(str(file), trust_code=False)


def test_faithful_pivot_has_a_gap_within_its_floor(product: Pivot) -> None:
    """Rounding is all that can lie between the two."""
    gap, floor = pivot.fidelity_gap(product, PROBES)

    assert gap <= floor
    assert 0 < floor < 1e-5


def test_unfaithful_pivot_has_a_gap_of_its_error(product: Pivot) -> None:
    """The gap is the largest deviation over the largest native value."""

    def doubled(feeds: Feeds) -> Feeds:
        return {name: 2 * value for name, value in product.run_native(feeds).items()}

    gap, floor = pivot.fidelity_gap(replace(product, run_native=doubled), PROBES)
    assert gap == pytest.approx(0.5)
    assert gap > floor


def test_neighbouring_quantized_values_are_within_the_floor(product: Pivot) -> None:
    """Two right runtimes may round the same value to neighbouring steps."""

    def integers(feeds: Feeds) -> Feeds:
        assert feeds
        return {"y": np.array([[100, -50]], np.int8)}

    _, floor = pivot.fidelity_gap(replace(product, run_native=integers), PROBES)
    assert floor == pytest.approx(0.01)


def test_no_probe_gives_no_gap(product: Pivot) -> None:
    """Nothing was measured, so nothing is held against the importer."""
    gap, _ = pivot.fidelity_gap(product, [])

    assert gap == 0.0
