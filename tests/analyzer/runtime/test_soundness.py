"""A damaged file is told from one that is only wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper

from analyzer.core.errors import LoadError
from analyzer.runtime.soundness import LARGEST_INPUT, byte_size, check, tensors

Build = Callable[..., onnx.ModelProto]
PATH = Path("model.onnx")


def test_sound_model_passes(branching: onnx.ModelProto) -> None:
    """Subgraphs and captures are no damage."""
    check(branching, PATH)


def test_model_that_no_runtime_loads_is_sound(build: Build) -> None:
    """An unknown operator on a tensor nobody gives is a finding, not an error."""
    check(build([helper.make_node("Unheard", ["gone"], ["y"])]), PATH)


def test_unsorted_nodes_are_sound(chain: onnx.ModelProto) -> None:
    """Order in the file is not order of computing."""
    nodes = list(chain.graph.node)
    del chain.graph.node[:]
    chain.graph.node.extend(nodes[::-1])

    check(chain, PATH)


def test_cycle_is_named(build: Build) -> None:
    """The message names a node of the cycle."""
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="second"),
    ]

    with pytest.raises(LoadError, match=r"cycle, through node (first|second)"):
        check(build(nodes, outputs=("b",)), PATH)


def test_cycle_in_a_branch_is_found(branching: onnx.ModelProto) -> None:
    """A subgraph is checked like the main graph."""
    branch = branching.graph.node[3].attribute[0].g
    branch.node[0].input[0] = branch.node[0].output[0]

    with pytest.raises(LoadError, match=r"twice|once"):
        check(branching, PATH)


def test_model_without_a_graph_is_damaged() -> None:
    """A proto with nothing in it parses all the same."""
    with pytest.raises(LoadError, match="holds no graph"):
        check(onnx.ModelProto(ir_version=9), PATH)


def test_model_without_an_opset_is_damaged(chain: onnx.ModelProto) -> None:
    """Operators mean nothing without their version."""
    del chain.opset_import[:]

    with pytest.raises(LoadError, match="opset"):
        check(chain, PATH)


def test_name_that_is_no_text_is_damage(chain: onnx.ModelProto) -> None:
    """A flipped bit in a name is no UTF-8."""
    flipped = chain.SerializeToString().replace(b"relu", b"re\xffu")

    with pytest.raises(LoadError, match="no text"):
        check(onnx.ModelProto.FromString(flipped), PATH)


@pytest.mark.parametrize(
    ("dims", "kind", "octets"),
    [
        ([2], TensorProto.FLOAT, b"\0" * 4),
        ([-1], TensorProto.FLOAT, b"\0" * 4),
        ([2**40, 2**40], TensorProto.FLOAT, b"\0" * 4),
        ([1], 99, b"\0" * 4),
        ([1], TensorProto.UNDEFINED, b"\0" * 4),
    ],
)
def test_weight_that_its_bytes_do_not_fill_is_damaged(
    build: Build, dims: list[int], kind: int, octets: bytes
) -> None:
    """Sizes too large, negative or astronomic, and unknown element types, are named."""
    model = build([helper.make_node("Add", ["x", "w"], ["y"])])
    model.graph.initializer.add(name="w", data_type=kind, dims=dims, raw_data=octets)

    with pytest.raises(LoadError, match="initializer w"):
        check(model, PATH)


def test_weight_outside_raw_data_is_counted_too(build: Build) -> None:
    """Three values for a shape of two are damage."""
    model = build([helper.make_node("Add", ["x", "w"], ["y"])])
    model.graph.initializer.add(
        name="w", data_type=TensorProto.FLOAT, dims=[2], float_data=[1.0, 2.0, 3.0]
    )

    with pytest.raises(LoadError, match="wants 2 values and has 3"):
        check(model, PATH)


def test_attribute_without_a_type_is_damaged(build: Build) -> None:
    """Nobody can read such an attribute."""
    node = helper.make_node("Flatten", ["x"], ["y"], name="flat", axis=1)
    node.attribute[0].type = AttributeProto.UNDEFINED

    with pytest.raises(LoadError, match="attribute axis of node flat"):
        check(build([node]), PATH)


def test_astronomic_input_is_damaged(build: Build) -> None:
    """A flipped bit in a size must not fill the memory with a probe."""
    model = build([helper.make_node("Relu", ["x"], ["y"])])
    size = model.graph.input[0].type.tensor_type.shape.dim.add()
    size.dim_value = LARGEST_INPUT + 1

    with pytest.raises(LoadError, match="input x"):
        check(model, PATH)


def test_four_bit_elements_share_a_byte() -> None:
    """Three nibbles take two bytes."""
    assert byte_size(TensorProto.INT4, 3) == 2
    assert byte_size(TensorProto.DOUBLE, 3) == 24


def test_weights_of_subgraphs_are_found(branching: onnx.ModelProto) -> None:
    """An initializer inside a branch is a weight of the model."""
    inner = branching.graph.node[3].attribute[0].g.initializer
    inner.append(onnx.numpy_helper.from_array(np.float32([1.0]), "inside"))

    assert {tensor.name for tensor in tensors(branching)} == {"zero", "inside"}
