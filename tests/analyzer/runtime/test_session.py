"""A session runs what is written, and says which node it cannot run."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from analyzer.core.errors import RunError
from analyzer.core.tensors import outside
from analyzer.runtime.session import open_session, unreadable_opset

Build = Callable[..., onnx.ModelProto]

HERE = Path()
MAPS = Path("/proc/self/maps")
ONES = np.ones((2, 3), np.float32)


def test_session_gives_every_output_by_name(chain: onnx.ModelProto) -> None:
    """The chain doubles, then adds one."""
    session = open_session(chain, HERE)

    assert session.input_names == ("x",)
    assert session.run({"x": ONES})["y"].tolist() == (ONES * 2 + 1).tolist()


def test_feeds_that_are_no_input_are_left_out(chain: onnx.ModelProto) -> None:
    """A caller may hand over more names than this model has."""
    assert set(open_session(chain, HERE).run({"x": ONES, "z": ONES})) == {"y"}


def test_node_with_a_wrong_type_is_named_when_loading(build: Build) -> None:
    """The runtime's type error becomes the node's name."""
    node = helper.make_node("Clip", ["c"], ["y"], name="Clip_0")
    model = build([node], c=np.array([True]))

    with pytest.raises(RunError, match="Clip_0") as caught:
        open_session(model, HERE)
    assert caught.value.node == "Clip_0"
    assert caught.value.loading


def test_unnamed_node_goes_by_its_first_output(build: Build) -> None:
    """A node without a name is found all the same."""
    model = build([helper.make_node("Clip", ["c"], ["y"])], c=np.array([True]))

    with pytest.raises(RunError) as caught:
        open_session(model, HERE)
    assert caught.value.node == "y"


def test_transposed_convolution_of_no_groups_is_refused(build: Build) -> None:
    """The runtime would divide by the groups, and take the process with it."""
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="up", group=0)
    model = build([node], w=np.ones((3, 3, 1), np.float32))

    with pytest.raises(RunError, match="up: its group is 0") as caught:
        open_session(model, HERE)
    assert caught.value.node == "up"


def test_division_of_integers_by_a_constant_zero_is_refused(build: Build) -> None:
    """The runtime divides without looking, and the processor ends the process."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Div", ["s", "none"], ["y"], name="halved"),
    ]

    with pytest.raises(RunError, match="halved: its divisor none holds a 0") as caught:
        open_session(build(nodes, none=np.int64([0, 2, 2, 2])), HERE)
    assert caught.value.node == "halved"


GRID_BEHIND_A_BODY = """<ir_version: 8, opset_import: ["" : 18]>
    agraph (float[2,3] x) => (float[2,3] y)
    <float step = {0.5}, uint8 zero = {0}, int64 turns = {2}, bool go = {1}> {
        q = QuantizeLinear (x, step, zero)
        d = DequantizeLinear (q, step, zero)
        t = Transpose <perm = [0, 1]> (d)
        y = Loop (turns, go, x) <body = inner (int64 i, bool c, float[2,3] v)
            => (bool k, float[2,3] w) { k = Identity (c) w = Add (v, t) }>
    }"""

RUN_OPTIMIZED = """
import sys
from pathlib import Path
import numpy as np, onnx
from analyzer.runtime.session import open_session
session = open_session(onnx.parser.parse_model(sys.argv[1]), Path(), optimize=True)
print(session.run({"x": np.ones((2, 3), np.float32)})["y"].tolist())
"""


def test_grid_that_a_body_reads_behind_a_transpose_is_optimized(root: Path) -> None:
    """The runtime would move the grid next to the body, and abort the process."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN_OPTIMIZED, GRID_BEHIND_A_BODY],
        cwd=root, check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert ended.stdout.strip() == str([[3.0] * 3] * 2)


def test_division_of_floats_by_zero_is_infinite(build: Build) -> None:
    """Only integers trap."""
    node = helper.make_node("Div", ["x", "none"], ["y"], name="halved")
    session = open_session(build([node], none=np.float32([0])), HERE)

    assert np.isinf(session.run({"x": ONES})["y"]).all()


def test_node_that_fails_on_a_sample_is_named(build: Build) -> None:
    """A reshape that does not fit is found when it runs."""
    node = helper.make_node("Reshape", ["x", "to"], ["y"], name="flat")
    session = open_session(build([node], to=np.int64([7, 7])), HERE)

    with pytest.raises(RunError, match="flat") as caught:
        session.run({"x": ONES})
    assert caught.value.node == "flat"
    assert not caught.value.loading


def test_words_of_the_runtime_lose_its_build_paths(build: Build) -> None:
    """No path of the runtime's own build reaches the user."""
    node = helper.make_node("Reshape", ["x", "to"], ["y"], name="flat")
    session = open_session(build([node], to=np.int64([7, 7])), HERE)

    with pytest.raises(RunError) as caught:
        session.run({"x": ONES})
    assert "onnxruntime_src" not in str(caught.value)
    assert "requested shape:{7,7}" in str(caught.value)


def test_reader_of_a_tensor_nobody_gives_is_named(build: Build) -> None:
    """A dangling input names the node that reads it."""
    model = build([helper.make_node("Add", ["x", "gone"], ["y"], name="sum")])

    with pytest.raises(RunError) as caught:
        open_session(model, HERE)
    assert caught.value.node == "sum"


def test_newer_ir_version_is_read_as_the_newest_known(chain: onnx.ModelProto) -> None:
    """The envelope's version alone stops nobody, and the caller's model keeps it."""
    chain.ir_version = 99

    assert open_session(chain, HERE).run({"x": ONES})["y"][0, 0] == 3.0
    assert chain.ir_version == 99


def test_missing_feed_is_a_run_error(chain: onnx.ModelProto) -> None:
    """An input without a value is the caller's surprise, not a traceback."""
    with pytest.raises(RunError, match="x"):
        open_session(chain, HERE).run({})


def test_sequence_comes_as_an_array_of_arrays(build: Build) -> None:
    """A sequence output does not break the run."""
    nodes = [helper.make_node("SequenceConstruct", ["x", "x"], ["y"], name="pair")]
    pair = open_session(build(nodes), HERE).run({"x": ONES})["y"]

    assert pair.shape == (2,)
    assert pair[1].tolist() == ONES.tolist()


def test_output_that_numpy_cannot_hold_is_left_out(build: Build) -> None:
    """A bfloat16 tensor is not fetched; the rest is."""
    nodes = [
        helper.make_node("Cast", ["x"], ["half"], name="narrow", to=TensorProto.BFLOAT16),
        helper.make_node("Cast", ["half"], ["y"], name="widen", to=TensorProto.FLOAT),
    ]
    session = open_session(build(nodes, outputs=("half", "y")), HERE)

    assert set(session.run({"x": ONES})) == {"y"}


def test_weights_are_read_from_a_file_in_a_subfolder(tmp_path: Path) -> None:
    """External locations are relative to the folder that is given."""
    (tmp_path / "weights").mkdir()
    np.float32([5.0]).tofile(tmp_path / "weights" / "w.bin")
    weight = onnx.TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL
    )
    weight.external_data.add(key="location", value="weights/w.bin")
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None])],
        [onnx.ValueInfoProto(name="y")],
        [weight],
    )
    imports = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=9)

    assert open_session(model, tmp_path).run({"x": np.float32([2.0])})["y"] == 10.0


@pytest.mark.skipif(not MAPS.exists(), reason="only Linux lists what is mapped")
def test_large_weights_are_mapped_once_for_all_sessions(
    build: Build, tmp_path: Path
) -> None:
    """Two sessions on one file read the same pages."""
    value = np.arange(1 << 16, dtype=np.float32)
    value.tofile(tmp_path / "large.bin")
    weight = outside("w", value)
    weight.external_data[0].value = "large.bin"
    model = build([helper.make_node("Add", ["x", "w"], ["y"])], ["x"], ["y"])
    model.graph.initializer.append(weight)
    sessions = [open_session(model, tmp_path) for _ in range(2)]
    given = [session.run({"x": np.float32([1.0])})["y"] for session in sessions]

    assert all(np.array_equal(one, value + 1) for one in given)
    assert MAPS.read_text(encoding="utf-8").count("large.bin") == 1


def test_weights_of_the_callers_are_read_where_they_are(build: Build) -> None:
    """An initializer that points at no file takes the array that is held for it."""
    model = build([helper.make_node("Add", ["x", "w"], ["y"])], ["x"], ["y"])
    value = np.float32([1.0, 2.0])
    model.graph.initializer.append(outside("w", value))
    session = open_session(model, HERE, held={"w": value})

    assert session.run({"x": np.float32([10.0, 20.0])})["y"].tolist() == [11.0, 22.0]


def test_opset_of_the_future_is_known_to_be_unreadable() -> None:
    """The domain, its version and the newest readable one are told."""
    domain, declared, newest = unreadable_opset([helper.make_opsetid("", 999)])

    assert (domain, declared) == ("", 999)
    assert 20 <= newest < 999


def test_custom_domain_is_not_judged() -> None:
    """Nobody knows how new a stranger's domain may be."""
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("my.own", 999)]

    assert unreadable_opset(imports) is None
