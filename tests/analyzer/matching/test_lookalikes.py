"""What looks alike is told apart: every pair that an analysis ends with is true."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer.core.options import Options
from analyzer.core.report import Report
from analyzer.core.types import Array
from analyzer.diff import analyse

Net = Callable[..., onnx.ModelProto]
Pairs = dict[str, str]
Match = Callable[[onnx.ModelProto, onnx.ModelProto], Pairs]


@pytest.fixture
def rng() -> np.random.Generator:
    """A source of numbers that is the same in every test."""
    return np.random.default_rng(4)


def disguised(
    model: onnx.ModelProto, rng: np.random.Generator
) -> tuple[onnx.ModelProto, Pairs]:
    """Return a copy with every name new and its nodes shuffled, and what names were."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    graph = copy.graph
    ends = (*graph.input, *graph.output, *graph.initializer)
    names = {value.name for value in ends}
    names |= {name for node in graph.node for name in node.output}
    labels = rng.permutation(len(names)).tolist()
    new = {name: f"t{label}" for name, label in zip(sorted(names), labels, strict=True)}
    for value in ends:
        value.name = new[value.name]
    for node in graph.node:
        node.input[:] = [new[name] for name in node.input]
        node.output[:] = [new[name] for name in node.output]
    nodes = [graph.node[place] for place in rng.permutation(len(graph.node))]
    del graph.node[:]
    graph.node.extend(nodes)
    return copy, {after: before for before, after in new.items()}


@pytest.fixture
def report_on(tmp_path: Path) -> Callable[[onnx.ModelProto, onnx.ModelProto], Report]:
    """What an analysis says about two models."""

    def run(source: onnx.ModelProto, target: onnx.ModelProto) -> Report:
        paths = tmp_path / "source.onnx", tmp_path / "target.onnx"
        onnx.save(source, paths[0])
        onnx.save(target, paths[1])
        return analyse(*map(str, paths), options=Options(), rules=()).report

    return run


@pytest.fixture
def matched(
    report_on: Callable[[onnx.ModelProto, onnx.ModelProto], Report],
    rng: np.random.Generator,
) -> Match:
    """Source tensor by target tensor, the target disguised before it was paired.

    Target tensors go by the names that they had before.
    """

    def run(source: onnx.ModelProto, target: onnx.ModelProto) -> Pairs:
        hidden, log = disguised(target, rng)
        pairs = report_on(source, hidden).pairs
        return {log[pair.target]: pair.source for pair in pairs}

    return run


def drawn(rng: np.random.Generator, *shape: int) -> Array:
    """Return normal weights of a shape that keep an activation's scale."""
    fan = np.prod(shape[1:]) if len(shape) == 4 else shape[0]
    return (rng.normal(size=shape) / np.sqrt(fan)).astype(np.float32)


def same(*names: str) -> Pairs:
    """Return pairs of tensors that go by one name."""
    return {name: name for name in names}


def test_equal_dimensions_do_not_exchange_axes(
    net: Net,
    report_on: Callable[[onnx.ModelProto, onnx.ModelProto], Report],
    rng: np.random.Generator,
) -> None:
    """Where height, width and channels are four, no pair carries another order of axes."""
    text = """(float[1,4,4,4] x) => (y) {
      a = Conv<pads=[1,1,1,1]>(x, k) b = Relu(a) c = MatMul(b, w) d = Relu(c)
      e = Conv<pads=[1,1,1,1]>(d, m) y = Tanh(e) }"""
    model = net(
        text, k=drawn(rng, 4, 4, 3, 3), w=drawn(rng, 4, 4), m=drawn(rng, 4, 4, 3, 3)
    )
    hidden, log = disguised(model, rng)
    pairs = report_on(model, hidden).pairs

    assert {log[pair.target]: pair.source for pair in pairs} == same(*"xabcdey")
    assert {pair.permutation for pair in pairs} == {None}


def test_sibling_branches_are_not_exchanged(
    net: Net, matched: Match, rng: np.random.Generator
) -> None:
    """Two branches of one shape into one sum, whose operands the target exchanges."""
    text = """(float[1,4] x) => (y) {{
      a = MatMul(x, w) b = Relu(a) c = MatMul(x, v) d = Relu(c)
      e = Add({0}) y = Relu(e) }}"""
    weights = {"w": drawn(rng, 4, 4), "v": drawn(rng, 4, 4)}
    source, target = (net(text.format(order), **weights) for order in ("b, d", "d, b"))

    assert matched(source, target) == same(*"xabcdey")


def test_tied_weights_are_each_their_own_layer(
    net: Net, matched: Match, rng: np.random.Generator
) -> None:
    """One matrix serves two layers of the source, and each has its own in the target."""
    text = """(float[1,4] x) => (y) {{
      a = MatMul(x, w) b = Tanh(a) c = MatMul(b, {0}) d = Tanh(c) y = MatMul(d, v) }}"""
    weights = {"w": drawn(rng, 4, 4), "v": drawn(rng, 4, 4)}
    source = net(text.format("w"), **weights)
    target = net(text.format("u"), **weights, u=weights["w"])

    assert matched(source, target) == same(*"xabcdy")
    assert matched(target, source) == same(*"xabcdy")


def test_repeated_identical_blocks_keep_their_order(
    net: Net, matched: Match, rng: np.random.Generator
) -> None:
    """Four blocks with the very same numbers, one behind the other."""
    block = "{1} = MatMul({0}, {1}w) {1}r = Tanh({1}) {1}s = Add({1}r, {0})"
    ends = [("x", "a"), ("as", "b"), ("bs", "c"), ("cs", "d")]
    body = " ".join(block.format(*names) for names in ends)
    weight = drawn(rng, 4, 4)
    weights = {f"{name}w": weight for name in "abcd"}
    model = net(f"(float[1,4] x) => (y) {{ {body} y = Relu(ds) }}", **weights)
    inner = [f"{name}{end}" for name in "abcd" for end in ("", "r", "s")]

    assert matched(model, model) == same("x", "y", *inner)


def test_shared_initializers_do_not_join_their_readers(
    net: Net, matched: Match, rng: np.random.Generator
) -> None:
    """A converter keeps one of several equal biases; their readers stay apart."""
    text = """(float[1,4] x) => (y) {{
      a = Gemm(x, w, {0}) b = Relu(a) c = Gemm(b, v, {1}) d = Relu(c)
      y = Gemm(d, u, {2}) }}"""
    weights = {name: drawn(rng, 4, 4) for name in "wvu"}
    bias = np.full(4, 0.1, np.float32)
    source = net(text.format("p", "q", "r"), **weights, p=bias, q=bias, r=bias)
    target = net(text.format("p", "p", "p"), **weights, p=bias)

    assert matched(source, target) == same(*"xabcdy")


def test_faulty_first_layer_spoils_no_pair(
    net: Net, matched: Match, rng: np.random.Generator
) -> None:
    """Behind a first layer of other weights nothing that is computed is as it was."""
    text = """(float[1,3,8,8] x) => (y) {
      a = Conv<pads=[1,1,1,1]>(x, k) b = Relu(a)
      c = Conv<pads=[1,1,1,1]>(b, l) d = Relu(c) e = Conv<pads=[1,1,1,1]>(b, m) f = Relu(e)
      g = Add(d, f) h = Conv<pads=[1,1,1,1]>(g, n) i = Relu(h) j = Add(i, g)
      o = GlobalAveragePool(j) p = Flatten(o) y = MatMul(p, w) }"""
    weights = {name: drawn(rng, 4, 4, 3, 3) for name in "lmn"} | {"w": drawn(rng, 4, 5)}
    source = net(text, **weights, k=drawn(rng, 4, 3, 3, 3))
    target = net(text, **weights, k=drawn(rng, 4, 3, 3, 3))
    pairs = matched(source, target)

    assert pairs.items() >= same(*"xabcdefghijy").items()
    assert pairs.get("p", "p") in {"o", "p"}
