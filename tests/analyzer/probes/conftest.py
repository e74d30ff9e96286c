"""Tiny models that say what they do with an input."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.errors import RunError
from analyzer.core.types import Array, Feeds, Pivot, TensorSpec

Refuses = Callable[[Feeds], bool]


def never(feeds: Feeds) -> bool:
    """Accept every sample."""
    del feeds
    return False


def model(
    nodes: Sequence[onnx.NodeProto], names: Sequence[str], constants: Mapping[str, Array]
) -> onnx.ModelProto:
    """Return a model that is looked at and never run: its value types do not matter."""
    inputs = [helper.make_tensor_value_info(one, TensorProto.FLOAT, None) for one in names]
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return helper.make_model(helper.make_graph(nodes, "tiny", inputs, [], weights))


@pytest.fixture
def pivot() -> Callable[..., Pivot]:
    """A function that makes a pivot of specs, nodes and constants."""

    def made(
        *specs: TensorSpec,
        nodes: Sequence[onnx.NodeProto] = (),
        constants: Mapping[str, Array] | None = None,
        refuses: Refuses = never,
    ) -> Pivot:
        def run(feeds: Feeds) -> Feeds:
            if refuses(feeds):
                raise RunError("the sample is out of range", hint="feed another one")
            return feeds

        proto = model(nodes, [spec.name for spec in specs], constants or {})
        here = Path("tiny.onnx")
        return Pivot(proto, Path(), here, "onnx", specs, (), {}, "", run)

    return made


@pytest.fixture
def image() -> TensorSpec:
    """A picture of three channels whose batch is open."""
    return TensorSpec("image", "float32", (None, 3, 4, 4))


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes arrays, named or not, and returns the file."""

    def saved(*unnamed: Array, **named: Array) -> Path:
        path = tmp_path / "inputs.npz"
        np.savez(path, *unnamed, **named)
        return path

    return saved
