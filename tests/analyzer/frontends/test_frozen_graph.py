"""Frozen graphs become pivots that compute the same, their ends found in the graph."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.errors import LoadError
from analyzer.core.types import Feeds, Pivot
from analyzer.runtime.session import open_session

Load = Callable[..., Pivot]
Draw = Callable[..., Feeds]
ROUNDING = 1e-5
"""Float32 sums of a few hundred products, in another order."""


@pytest.mark.parametrize(
    "name",
    ["network.pb", "chain.pb", "lowered.pb", "three_ends.pb", "channels_first.pb"],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_pivot_computes_what_tensorflow_computes(
    load: Load, draw: Draw, name: str, batch: int
) -> None:
    """A network, a recurrence in both spellings, and graphs by hand, for any batch."""
    model = load(name)
    feeds = draw(model, batch=batch)

    observed = open_session(model.model, model.folder).run(feeds)
    for end, expected in model.run_native(feeds).items():
        np.testing.assert_allclose(observed[end], expected, rtol=ROUNDING, atol=ROUNDING)


def test_inputs_are_the_placeholders_that_are_read(load: Load) -> None:
    """What may be fed but has a default keeps it; what nobody reads changes nothing."""
    assert [spec.name for spec in load("three_ends.pb").inputs] == ["value"]


def test_outputs_are_what_nobody_reads(load: Load) -> None:
    """Checks are none; of an operator with two results both are; numbers are in order."""
    names = [spec.name for spec in load("three_ends.pb").outputs]

    assert names == ["Identity", "Identity_1", "best", "best:1"]


def test_batch_norm_is_put_together_again(load: Load) -> None:
    """A frozen graph spells it out; its variables stand in the pivot all the same."""
    model = load("network.pb").model

    (norm,) = (node for node in model.graph.node if node.op_type == "BatchNormalization")
    epsilon = next(item.f for item in norm.attribute if item.name == "epsilon")
    assert epsilon == pytest.approx(1e-3)


def test_every_operator_knows_its_layer(load: Load) -> None:
    """The names of nodes tell the layers, without the suffixes of the trace."""
    found = {layer.name for layer in load("network.pb").layers.values()}

    assert found == {"stem", "norm", "clip", "depth_1", "gelu", "pool", "scores"}


@pytest.mark.parametrize("name", ["memories.pb", "memories_saved"])
def test_recurrence_goes_by_the_users_name(load: Load, name: str) -> None:
    """Names of functions before those of a loop's nodes hide no layer and make up none."""
    found = {layer.name for layer in load(name).layers.values()}

    assert {one.partition("/")[0] for one in found} == {"memory", "memory_again", "last"}


def test_lowered_loop_imports_as_the_loop_it_was(load: Load) -> None:
    """TensorFlow lowers loops as it freezes unless told not to; the layer is one LSTM."""
    operators = [node.op_type for node in load("lowered.pb").model.graph.node]

    assert operators.count("LSTM") == 1
    assert "Loop" not in operators


def test_variable_without_a_value_is_named(load: Load) -> None:
    """A graph that is not frozen computes nothing."""
    with pytest.raises(LoadError, match="is not frozen: its variable weight") as refusal:
        load("unfrozen.pb")

    assert refusal.value.hint == "freeze it, or give the SavedModel folder"


def test_graph_of_constants_has_no_output(load: Load, tmp_path: Path) -> None:
    """A graph that takes nothing is no model; its node is called ``a``."""
    file = tmp_path / "constants.pb"
    file.write_bytes(b"\n\x09\n\x01a\x12\x04NoOp")

    with pytest.raises(LoadError, match="has no output"):
        load(str(file))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("saved_model.pb", b"\x08\x01", "is the graph of a SavedModel"),
        ("graph.pbtxt", b"node { }", "is a graph as text"),
        ("graph.pb", b"node {\n  name: 'x'\n}\n", "is damaged, or no TensorFlow graph"),
    ],
)
def test_file_of_another_kind_is_refused(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    """Each is one message, before TensorFlow starts."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(LoadError, match=words):
        pivot.load(str(tmp_path / name), trust_code=False)
