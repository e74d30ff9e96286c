"""An edited model differs from the user's in the edits and in nothing else."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.errors import RepairError
from analyzer.core.types import (
    Edit,
    InsertNode,
    RemoveNode,
    ReplaceRegion,
    Rewire,
    SetAttribute,
    SetConstant,
    SetOpset,
    SetType,
)
from analyzer.runtime.session import open_session
from rewriter import surgeon

Model = onnx.ModelProto
BIAS = np.arange(4, dtype=np.float32)
HERE = Path()


def spelt(model: Model) -> bytes:
    """Return a model as bytes that are the same for the same model."""
    return model.SerializeToString(deterministic=True)


def edited(model: Model, *edits: Edit) -> Model:
    """Return the edited copy, the original proven untouched."""
    before = spelt(model)
    result = surgeon.apply(model, HERE, edits)
    assert spelt(model) == before
    return result


def node(model: Model, name: str) -> onnx.NodeProto:
    """Return the node of that name."""
    return next(one for one in model.graph.node if one.name == name)


def constant(model: Model, name: str) -> np.ndarray:
    """Return the value of an initializer."""
    return next(
        numpy_helper.to_array(one) for one in model.graph.initializer if one.name == name
    )


def run(model: Model, **feeds: np.ndarray) -> np.ndarray:
    """Return the model's first output in ONNX Runtime."""
    return next(iter(open_session(model, HERE).run(feeds).values()))


def test_same_edits_on_the_same_model_are_made_once(network: Model) -> None:
    """A repair asks for what it keeps again and again; a copy is another model."""
    edit, copy = SetOpset("", 18), onnx.ModelProto()
    copy.CopyFrom(network)
    first = surgeon.trace(network, HERE, [edit])

    assert surgeon.trace(network, HERE, (edit,)) is first
    assert surgeon.trace(copy, HERE, [edit]) is not first
    assert surgeon.trace(network, HERE, [SetOpset("", 18)]) is not first


def test_no_edits_leave_the_very_same_bytes(network: Model) -> None:
    """Nothing to do means nothing is changed, byte for byte."""
    assert spelt(edited(network)) == spelt(network)


def test_attribute_of_one_node_is_all_that_changes(network: Model) -> None:
    """A new dilation changes one attribute; undone by hand, the bytes are the user's."""
    result = edited(network, SetAttribute("conv", "dilations", (1, 1)))

    assert list(node(result, "conv").attribute[-1].ints) == [1, 1]
    del node(result, "conv").attribute[-1]
    assert spelt(result) == spelt(network)


def test_attribute_keeps_its_place_among_the_others(network: Model) -> None:
    """An attribute that is there already changes where it stands."""
    pads = next(one for one in node(network, "conv").attribute if one.name == "pads")

    result = edited(network, SetAttribute("conv", "pads", (0, 0, 2, 2)))

    found = next(one for one in node(result, "conv").attribute if one.name == "pads")
    assert list(found.ints) == [0, 0, 2, 2]
    found.CopyFrom(pads)
    assert spelt(result) == spelt(network)


def test_attribute_can_go(network: Model) -> None:
    """None removes the attribute, so that the schema's default holds."""
    result = edited(network, SetAttribute("conv", "pads", None))

    assert not node(result, "conv").attribute


def test_float_attribute_given_as_int_is_written_as_the_schema_wants() -> None:
    """LeakyRelu's alpha stays a float when a rule says 1."""
    graph = helper.make_graph(
        [helper.make_node("LeakyRelu", ["x"], ["y"], "leaky")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )

    result = edited(helper.make_model(graph), SetAttribute("leaky", "alpha", 1))

    assert node(result, "leaky").attribute[0].type == onnx.AttributeProto.FLOAT


def test_unshared_weight_changes_in_place(network: Model) -> None:
    """A weight keeps its name, place, doc string and metadata; its value alone is new."""
    new = np.ones((4, 3, 3, 3), np.float32)

    result = edited(network, SetConstant("conv", 1, new))

    np.testing.assert_array_equal(constant(result, "w"), new)
    result.graph.initializer[1].raw_data = network.graph.initializer[1].raw_data
    assert spelt(result) == spelt(network)


def test_shared_weight_is_copied_for_the_node_that_changes(network: Model) -> None:
    """The other reader of a shared bias keeps its value."""
    result = edited(network, SetConstant("conv", 2, BIAS))

    np.testing.assert_array_equal(constant(result, node(result, "conv").input[2]), BIAS)
    assert node(result, "conv2").input[2] == "b"
    assert [one.name for one in result.graph.initializer[:4]] == ["unread", "w", "b", "w2"]
    assert constant(result, "b") == pytest.approx(constant(network, "b"))


def test_missing_constant_input_is_added(network: Model) -> None:
    """A bias that the node lacks becomes its third input."""
    del node(network, "conv").input[2:]

    result = edited(network, SetConstant("conv", 2, BIAS))

    assert len(node(result, "conv").input) == 3
    np.testing.assert_array_equal(constant(result, node(result, "conv").input[2]), BIAS)


def test_constant_node_keeps_its_spelling(branching: Model) -> None:
    """A Constant spelt with value_floats changes in that spelling."""
    for side in node(branching, "if").attribute:
        side.g.node[0].input[1] = "h"

    result = edited(branching, SetConstant("mul", 1, np.array([3, 4], np.float32)))

    assert list(node(result, "constant").attribute[0].floats) == [3.0, 4.0]


def test_constant_shared_with_a_subgraph_is_copied(branching: Model) -> None:
    """The branches of an If go on reading the constant as it was."""
    result = edited(branching, SetConstant("mul", 1, np.array([3, 4], np.float32)))
    feeds = {"x": np.ones(2, np.float32), "c": np.ones((), np.bool_)}

    assert node(result, "constant") == node(branching, "constant")
    np.testing.assert_array_equal(run(result, **feeds), [-3 + 1, -4 + 2])


def test_computed_input_is_no_constant(network: Model) -> None:
    """Setting an activation as if it were a weight is refused."""
    with pytest.raises(RepairError, match="input 0 of conv2 is computed"):
        edited(network, SetConstant("conv2", 0, BIAS))


def test_inserted_node_stands_between_a_tensor_and_its_readers(network: Model) -> None:
    """Every reader of the tensor reads the new node; nothing else moves."""
    result = edited(network, InsertNode("conv_out", "Mul", {}, {1: np.float32(2)}))
    new = result.graph.node[1]

    assert (new.op_type, new.input[0]) == ("Mul", "conv_out")
    assert list(node(result, "relu").input) == list(new.output)
    assert [one.name for one in result.graph.value_info] == ["conv_out", "relu_out", "last"]


def test_insertion_for_one_reader_leaves_the_others(branching: Model) -> None:
    """Only the readers that are named read the new node."""
    edit = InsertNode("k", "Neg", {}, {}, readers=(("mul", 1),))

    result = edited(branching, edit)

    assert node(result, "mul").input[1] != "k"
    assert node(result, "if").attribute[0].g.node[0].input[1] == "k"


def test_insertion_reaches_into_subgraphs(branching: Model) -> None:
    """Readers inside the branches of an If read the new node too."""
    result = edited(branching, InsertNode("h", "Neg", {}, {}))
    feeds = {"x": np.ones(2, np.float32), "c": np.ones((), np.bool_)}

    np.testing.assert_array_equal(run(result, **feeds), [1 + 1, 2 + 2])


def test_output_keeps_its_name_when_a_node_is_put_behind_it(network: Model) -> None:
    """A node put behind the last tensor takes the model output's name over."""
    applied = surgeon.trace(network, HERE, (InsertNode("y", "Relu", {}, {}),))

    assert list(applied.model.graph.node[-1].output) == ["y"]
    assert applied.produced == {"y": node(applied.model, "twice").output[0]}
    assert applied.model.graph.output == network.graph.output


def test_trace_says_where_the_readers_went(network: Model) -> None:
    """After an insertion the readers of a tensor read another one, by name."""
    applied = surgeon.trace(network, HERE, (InsertNode("conv_out", "Neg", {}, {}),))

    assert applied.read == {"conv_out": node(applied.model, "relu").input[0]}


def test_removed_node_passes_its_input_on(network: Model) -> None:
    """Readers of the removed node read what it read; its own value info goes."""
    result = edited(network, RemoveNode("relu"))

    assert [one.name for one in result.graph.node] == ["conv", "conv2", "twice"]
    assert node(result, "conv2").input[0] == "conv_out"
    assert [one.name for one in result.graph.value_info] == ["conv_out", "last"]


def test_removed_last_node_leaves_the_output_name(network: Model) -> None:
    """The model's output keeps its name: the node before gives it."""
    result = edited(network, RemoveNode("twice"))

    assert list(node(result, "conv2").output) == ["y"]


def test_removed_node_takes_its_own_constants_along(network: Model) -> None:
    """An initializer that only the removed node read goes; one nobody ever read stays."""
    inserted = edited(network, InsertNode("conv_out", "Mul", {}, {1: np.float32(2)}))

    result = edited(inserted, RemoveNode(inserted.graph.node[1].name))

    assert spelt(result) == spelt(network)


def test_removal_under_an_if_renames_inside_its_branches(branching: Model) -> None:
    """The branches read what the removed node read."""
    result = edited(branching, RemoveNode("neg"))

    assert node(result, "if").attribute[0].g.node[0].input[0] == "m"


def replacement() -> onnx.GraphProto:
    """Return conv_out → LeakyRelu → Mul → relu_out, with names the target uses too."""
    return helper.make_graph(
        [
            helper.make_node("LeakyRelu", ["conv_out"], ["last"], "conv2", alpha=0.5),
            helper.make_node("Mul", ["last", "w"], ["relu_out"], "mul"),
        ],
        "replacement",
        [helper.make_tensor_value_info("conv_out", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("relu_out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.float32(3), "w")],
    )


def test_replaced_region_gives_the_same_tensors_under_fresh_inner_names(
    network: Model,
) -> None:
    """The replacement's clashing inner names change; what it gives keeps its name."""
    result = edited(network, ReplaceRegion(("relu",), replacement(), 18))

    ops = [one.op_type for one in result.graph.node]
    assert ops == ["Conv", "LeakyRelu", "Mul", "Conv", "Twice"]
    assert list(result.graph.node[2].output) == ["relu_out"]
    assert len({one.name for one in result.graph.node}) == 5
    assert constant(result, result.graph.node[2].input[1]) == 3
    assert constant(result, "w").shape == (4, 3, 3, 3)


def test_region_node_that_others_need_stays(network: Model) -> None:
    """A node of the region whose other output is read elsewhere is kept."""
    result = edited(network, ReplaceRegion(("conv", "relu"), replacement(), 17))

    assert "conv" in [one.name for one in result.graph.node]
    assert "relu" not in [one.name for one in result.graph.node]


def test_node_moves_behind_what_it_is_rewired_to(branching: Model) -> None:
    """A node that is to read a later tensor moves behind it; others keep their order."""
    result = edited(
        branching,
        Rewire("neg", 0, "x"),
        Rewire("mul", 0, "h"),
    )

    assert [one.name for one in result.graph.node] == ["constant", "neg", "mul", "if"]


def test_cycle_is_refused(network: Model) -> None:
    """A node cannot wait for its own output."""
    with pytest.raises(RepairError, match="wait for its own output"):
        edited(network, Rewire("conv", 0, "relu_out"))


def test_stale_value_info_goes_and_the_output_is_corrected(network: Model) -> None:
    """After a stride, what is declared of the tensors behind it is no longer said."""
    del network.graph.node[3]
    del network.functions[:], network.opset_import[1:]
    node(network, "conv2").output[0] = "y"

    result = edited(network, SetAttribute("conv", "strides", (2, 2)))

    assert [one.name for one in result.graph.value_info] == ["last"]  # nothing gives it
    sizes = [dim.dim_value for dim in result.graph.output[0].type.tensor_type.shape.dim]
    assert sizes == [0, 4, 4, 4]
    assert result.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "N"
    assert result.graph.output[0].doc_string == "tensor y"


def test_edit_that_keeps_shapes_keeps_value_info(network: Model) -> None:
    """Padding that moves from one side to the other changes no shape, so all info stays."""
    result = edited(network, SetAttribute("conv", "pads", (0, 0, 2, 2)))

    assert list(result.graph.value_info) == list(network.graph.value_info)


def test_opset_and_input_type_are_declared_anew(network: Model) -> None:
    """Declarations change where they stand; doc strings stay."""
    result = edited(network, SetOpset("", 18), SetType("x", "float32", ("batch", 3, 8, 8)))

    assert [(one.domain, one.version) for one in result.opset_import] == [
        ("", 18),
        ("local", 1),
    ]
    declared = result.graph.input[0]
    assert declared.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert declared.doc_string == "tensor x"


def test_unknown_node_is_refused(network: Model) -> None:
    """An edit for a node that is not there is refused by name."""
    with pytest.raises(RepairError, match="no single node named nowhere"):
        edited(network, SetAttribute("nowhere", "pads", (0, 0)))


def test_values_in_other_files_are_never_looked_for(network: Model) -> None:
    """A weight whose file is missing survives an edit elsewhere, reference and all."""
    tensor = network.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in (("location", "missing.bin"), ("offset", "0"), ("length", "432")):
        tensor.external_data.add(key=key, value=text)

    result = edited(network, SetConstant("conv2", 1, np.ones((4, 4, 1, 1), np.float32)))

    assert result.graph.initializer[1] == tensor


def test_old_model_gets_a_constant_node_and_no_new_input(network: Model) -> None:
    """Before ir_version 4 an initializer had to be an input, so a constant is a node."""
    network.ir_version = 3
    inputs = [
        helper.make_tensor_value_info(one.name, TensorProto.FLOAT, list(one.dims))
        for one in network.graph.initializer
    ]
    network.graph.input.extend(inputs)

    result = edited(network, SetConstant("conv", 2, BIAS))

    assert result.graph.input == network.graph.input
    assert result.graph.node[0].op_type == "Constant"
