"""What `inspect` shows."""

from dataclasses import replace
from pathlib import Path

import pytest
from onnx import helper

from analyzer.core.types import NativeLayer, Pivot, TensorSpec
from analyzer.reports.inspection import render_pivot


@pytest.fixture
def pivot() -> Pivot:
    """Twenty operators of twenty kinds, each of its own layer."""
    nodes = [helper.make_node(f"Op{n:02}", ["x"], [f"t{n}"]) for n in range(20)]
    graph = helper.make_graph(nodes, "many", [], [])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    layers = {f"t{n}": NativeLayer(f"layer{n}") for n in range(20)}
    inputs = (TensorSpec("x", "float32", (None, "T", 3)), TensorSpec("z", "int64", None))
    return Pivot(
        proto, Path(), Path("net.keras"), "keras", inputs, (), layers, "ab", lambda one: one
    )


def test_open_sizes_and_ranks_are_shown(pivot: Pivot) -> None:
    """A question mark is a size without a name; an unknown rank is any shape."""
    said = render_pivot(pivot)

    assert "input x: float32 [?, T, 3]\n" in said
    assert "input z: int64, any shape\n" in said
    assert "opsets: ai.onnx 18\n" in said


def test_long_lists_are_cut_unless_asked(pivot: Pivot) -> None:
    """-v lists every operator kind and layer."""
    said, whole = render_pivot(pivot), render_pivot(pivot, verbosity=1)

    assert "and 8 kinds more" in said
    assert "  and 8 more; -v shows them" in said
    assert "Op19 1" in whole
    assert "  layer19: t19" in whole


def test_notes_of_the_importer_are_shown(pivot: Pivot) -> None:
    """What the importer wants said is said."""
    said = render_pivot(replace(pivot, notes=("one weight was padded",)))

    assert said.endswith("note: one weight was padded\n")


def test_quantized_layers_are_shown_in_steps(pivot: Pivot) -> None:
    """The farthest first: fed the framework's integers, and in a run of the whole."""
    apart = {"t1": (0, 4), "t2": (3, 3), "unnamed": (1, 1)}
    said = render_pivot(replace(pivot, framework="tflite", steps=apart))

    assert "quantized: 2 of 3 layers within 1 step of tflite" in said
    assert "  layer2: 3 (3)\n  unnamed: 1 (1)\n  layer1: 0 (4)\n" in said


def test_quiet_is_one_line(pivot: Pivot) -> None:
    """-q says what it is."""
    assert render_pivot(pivot, verbosity=-1) == "net.keras: keras, pivot of 20 nodes\n"
