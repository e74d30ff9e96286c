"""The macro graph: who gives, who reads, and what is only another layout."""

from collections.abc import Callable

import numpy as np

from analyzer.view import INPUT, View

Look = Callable[..., View]
KERNEL = np.ones((4, 3, 1, 1), np.float32)
CHANNEL = np.ones(4, np.float32)


def names(view: View) -> list[str]:
    """Return the names of a view's macro operators."""
    return [operator.op for operator in view.operators]


def test_batch_norm_looks_the_same_folded_or_not(view: Look) -> None:
    """A convolution and its batch norm are one operator, as after folding."""
    unfolded = view(
        "(float[1,3,4,4] x) => (y) {"
        " a = Conv(x, k) b = BatchNormalization(a, c, c, c, c) y = Relu(b) }",
        k=KERNEL,
        c=CHANNEL,
    )
    folded = view(
        "(float[1,3,4,4] x) => (y) { a = Conv(x, k, c) y = Relu(a) }", k=KERNEL, c=CHANNEL
    )

    assert names(unfolded) == names(folded) == [INPUT, "Conv", "Relu"]


def test_channels_last_looks_like_channels_first(view: Look) -> None:
    """Transposes around a convolution are not operators."""
    look = view(
        "(float[1,4,4,3] x) => (y) { a = Transpose<perm=[0,3,1,2]>(x) b = Conv(a, k)"
        " c = Transpose<perm=[0,2,3,1]>(b) y = Relu(c) }",
        k=KERNEL,
    )

    assert names(look) == [INPUT, "Conv", "Relu"]
    assert look.operators[1].outputs == ("c",)


def test_initializer_listed_as_input_is_no_input(view: Look) -> None:
    """Old exporters list weights among the inputs."""
    look = view("(float[4] x, float[4] w) => (y) { y = Mul(x, w) }", w=CHANNEL)

    assert look.inputs == ("x",)
    assert look.owner["y"].op == INPUT


def test_root_is_the_tensor_before_its_layouts(view: Look) -> None:
    """Reshapes and transposes pass the same elements on; arithmetic starts anew."""
    look = view(
        "(float[2,2] x) => (y) { a = Relu(x) b = Transpose<perm=[1,0]>(a)"
        " c = Flatten(b) y = Neg(c) }"
    )

    assert look.root == {"x": "x", "a": "a", "b": "a", "c": "a", "y": "y"}


def test_tensors_are_numbered_as_their_values_flow(view: Look) -> None:
    """The order is topological, the file's is not."""
    look = view("(float[4] x) => (y) { y = Relu(a) a = Abs(x) }")

    assert look.order == {"x": 0, "a": 1, "y": 2}


def test_subgraph_reads_what_it_captures(view: Look) -> None:
    """A branch that reads an outer tensor ties its If to it."""
    look = view(
        "(float[4] x, bool c) => (y) { a = Relu(x)"
        " y = If(c) <then_branch = t () => (float[4] p) { p = Neg(a) },"
        " else_branch = e () => (float[4] q) { q = Identity(a) }> }"
    )

    assert [node.op for node in look.readers["a"]] == ["If"]
    assert look.owner["y"].inputs == ("c", "a")


def test_operators_are_joined_where_one_reads_the_other(view: Look) -> None:
    """The edges follow the tensors, whichever way they are asked for."""
    look = view("(float[4] x) => (y) { a = Relu(x) b = Exp(x) y = Add(a, b) }")

    assert list(look.before) == [(), (0,), (0,), (1, 2)]
    assert list(look.after) == [(1, 2), (3,), (3,), ()]
    assert sorted(look.edges) == [(0, 1), (0, 2), (1, 3), (2, 3)]
    assert set(look.graph.edges) == look.edges


def test_operator_that_is_read_twice_has_one_reader(view: Look) -> None:
    """Each of the two halves is read, by one and the same operator."""
    look = view("(float[4] x) => (y) { a, b = Split<num_outputs=2>(x) y = Sub(b, a) }")

    assert list(look.before) == [(), (0,), (1, 1)]
    assert list(look.after) == [(1,), (2,), ()]


def test_only_operators_with_constants_are_weighted(view: Look) -> None:
    """A constant that is folded in counts; an operator without any is left out."""
    look = view("(float[4] x) => (y) { a = Relu(x) b = Mul(a, c) y = Exp(b) }", c=CHANNEL)

    assert [operator.op for operator in look.weighted] == ["Relu"]


def test_computed_constant_has_its_value(view: Look) -> None:
    """Arithmetic over initializers is done once, and its result is a constant."""
    look = view("(float[4] x) => (y) { w = Neg(c) a = Relu(x) y = Mul(a, w) }", c=CHANNEL)

    assert look.giver["y"].constants[1].tolist() == [-1.0] * 4


def test_constant_arithmetic_that_fails_leaves_no_value(view: Look) -> None:
    """The run that follows meets the same node, and names it."""
    look = view(
        "(float[4] x) => (y) { w = Add(c, d) a = Relu(x) y = Mul(a, w) }",
        c=CHANNEL,
        d=np.ones(3, np.float32),
    )

    assert dict(look.giver["y"].constants) == {}
