"""An order of axes in a pivot is told as one of Keras's, or refused."""

import pytest

from analyzer.core.errors import ExportError
from analyzer.core.types import NativeLayer, Node
from rewriter.export.keras_axes import in_keras, reordering
from rewriter.export.keras_file import Config, Saved
from rewriter.export.keras_layers import Owners, layers_of
from rewriter.export.keras_orders import Reordering
from rewriter.export.keras_regions import Graph, Region, graph_of
from rewriter.export.keras_structure import reads

SWAPPED = (0, 1, 3, 2)
"""Height and width exchanged, where channels come first."""


def node(op: str, given: str, gives: str, **attributes: object) -> Node:
    """Return a node of opset 18 that reads one tensor."""
    return Node(f"{op} {gives}", op, "", 18, (given,), (gives,), attributes, {})


def region(*was: Node, now: tuple[Node, ...] = ()) -> Region:
    """Return what stands before and after a repair between ``x`` and ``y``."""
    ends = ["y" if nodes else "x" for nodes in (was, now)]
    return Region(was, now, *ends, (("Conv z", 0),))


def turn(*perm: int, given: str = "x", gives: str = "y") -> Node:
    """Return a transposition."""
    return node("Transpose", given, gives, perm=perm)


def test_order_is_what_leads_from_the_old_tensor_to_the_new() -> None:
    """Of two transpositions of one tensor, the second undoes the first and says its own."""
    found = reordering(region(turn(0, 3, 1, 2), now=(turn(0, 3, 2, 1),)))

    assert found == SWAPPED


def test_more_than_an_order_is_none() -> None:
    """A region in which another operator comes is none of axes alone."""
    assert reordering(region(now=(node("Relu", "x", "y"),))) is None


def owners(*entries: Config, **given: str) -> Owners:
    """Return the layers of a model, and which layer gives each tensor."""
    config = {"config": {"layers": list(entries), "output_layers": [["end", 0, 0]]}}
    tensors = {name: NativeLayer(layer) for name, layer in given.items()}
    return Owners(Saved("", "", {}, {}, {}, []), layers_of(config), tensors)


def graph(*between: Node, end: str = "Conv") -> Graph:
    """Return a pivot that ends in an operator which reads ``y``."""
    return graph_of([*between, node(end, "y", "z")], ["z"])


@pytest.mark.parametrize(
    ("end", "told"), [("Conv", (0, 2, 1, 3)), ("Reshape", SWAPPED)], ids=["first", "as is"]
)
def test_reader_tells_which_axis_is_which(end: str, told: tuple[int, ...]) -> None:
    """A convolution reads channels first, where Keras has them last; a reshape does not."""
    found = in_keras(owners(), graph(turn(0, 3, 1, 2), end=end), "y", SWAPPED)

    assert found == told


def test_axes_that_nobody_tells_are_not_guessed() -> None:
    """Where the reader takes any order, and another order of axes gives another one."""
    unsaid = graph(turn(0, 3, 1, 2), node("Softmax", "y", "w"), turn(0, 2, 3, 1), end="LRN")

    assert in_keras(owners(), unsaid, "y", SWAPPED) is None


def entry(name: str, kind: str, *given: str, **options: object) -> Config:
    """Return how a Functional model lists a layer that reads others."""
    calls = [[[one, 0, 0, {}] for one in given]] if given else []
    config = {"name": name, "dtype": "float32", **options}
    return {"class_name": kind, "name": name, "config": config, "inbound_nodes": calls}


@pytest.fixture
def forked() -> Owners:
    """An image that a convolution reads turned, and another layer as it is."""
    return owners(
        entry("x", "InputLayer"),
        entry("turn", "Permute", "x", dims=[2, 1, 3]),
        entry("conv", "Conv2D", "turn"),
        entry("other", "Conv2D", "turn"),
        entry("end", "Add", "conv", "other"),
        z="conv",
        w="other",
    )


def test_one_of_two_readers_gets_a_layer_of_its_own(forked: Owners) -> None:
    """What the other one reads stays in its order."""
    was = graph(turn(0, 3, 2, 1), node("Conv", "y", "w"))

    new = Reordering(forked, was, region(turn(0, 3, 2, 1)), SWAPPED).tell()

    assert [made.options["dims"] for _, made in new] == [[2, 1, 3]]
    assert reads(forked.layers["conv"]) == [new[0][0].name]
    assert reads(forked.layers["other"]) == ["turn"]


def test_order_inside_a_layer_is_refused(forked: Owners) -> None:
    """Between two nodes of one layer there is no place for another layer."""
    both = {"x": NativeLayer("conv"), "z": NativeLayer("conv")}
    inside = Owners(forked.saved, forked.layers, both)
    was = graph(node("Relu", "image", "x"), turn(0, 3, 2, 1))

    with pytest.raises(ExportError, match="inside layer conv"):
        Reordering(inside, was, region(turn(0, 3, 2, 1)), SWAPPED).tell()


def test_reader_in_a_model_inside_the_model_is_refused() -> None:
    """A layer of one model cannot stand in front of a layer of another."""
    inner = [entry("conv", "Conv2D", "within")]
    outer = owners(
        entry("x", "InputLayer"),
        entry("end", "Functional", "x", layers=inner, output_layers=[["conv", 0, 0]]),
        z="end/conv",
    )

    with pytest.raises(ExportError, match="end/conv is not in the same model as x"):
        Reordering(outer, graph(turn(0, 3, 2, 1)), region(turn(0, 3, 2, 1)), SWAPPED).tell()
