"""Samples of a second size."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

from analyzer.core.types import Feeds, Pivot
from analyzer.matching.ends import input_pairs
from analyzer.pivot import load
from analyzer.probes.second import second_sizes, told
from analyzer.view import view_of

HEAD = '<ir_version: 9, opset_import: ["": 18]>'


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Pivot]:
    """A model whose Reshape leaves no size open, with these declared inputs."""

    def build(inputs: str) -> Pivot:
        text = f"{HEAD} net ({inputs}) => (y) <int64[1] s = {{4}}> {{ y = Reshape(x, s) }}"
        path = tmp_path / "net.onnx"
        onnx.save(parser.parse_model(text), path)
        return load(str(path), trust_code=False)

    return build


def shapes(pivot: Pivot, sample: Feeds, target: Pivot | None = None) -> list[list[int]]:
    """Return the shape of x in each sample of another size."""
    other = target or pivot
    view = view_of(other.model, other.folder)
    pairs = input_pairs(pivot, other)
    found = second_sizes(pivot, other, pairs, sample, view, seed=0)
    return [list(one["x"].shape) for one in found]


def test_batch_and_length_grow_apart(opened: Callable[..., Pivot]) -> None:
    """What one sample shows is not blamed on the other."""
    sample = {"x": np.zeros((1, 4), np.float32)}

    assert shapes(opened("float[N,S] x"), sample) == [[2, 4], [1, 7]]


def test_picture_grows_by_a_whole_stride(opened: Callable[..., Pivot]) -> None:
    """Both sides grow, and what is fixed stays."""
    sample = {"x": np.zeros((1, 3, 64, 96), np.float32)}

    assert shapes(opened("float[1,3,H,W] x"), sample) == [[1, 3, 96, 128]]


def test_fixed_sizes_have_no_second(opened: Callable[..., Pivot]) -> None:
    """A symbol that the target fixes stays, too."""
    sample = {"x": np.zeros((1, 4), np.float32)}
    free, fixed = opened("float[N,S] x"), opened("float[1,4] x")

    assert shapes(fixed, sample) == []
    assert shapes(free, sample, fixed) == []


def test_sizes_are_told_by_input() -> None:
    """Only what differs."""
    one, other = np.zeros((1, 4)), np.zeros((2, 4))

    assert told({"x": one, "z": one}, {"x": other, "z": one}) == "x of [2, 4]"
