"""Seconds that matching takes, against the number of nodes, as a table and a plot."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from disguise import disguised
from onnx import TensorProto, helper, numpy_helper

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
BLOCK = 10
"""Nodes of one residual block."""

CHANNELS = 4
COLUMNS = ("nodes", "view", "match", "seconds", "processor", "paired")
"""Seconds to see both sides, to match them, of both, of the processor; share found."""

TITLE = "view and match: processor seconds by nodes"
WIDTH, HEIGHT, MARGIN = 480, 320, 56
"""Of the plot, in pixels."""

SVG = (
    f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"'
    ' font-family="sans-serif" font-size="12">'
)


def scaled(sizes: Sequence[int], plot: Path) -> list[dict[str, float]]:
    """Print and return seconds of view and match by number of nodes, and draw them.

    Args:
        sizes: Numbers of nodes of each side.
        plot: The SVG file.
    """
    timed(BLOCK)  # imports and operator schemas are no part of it
    print(f"\nscaling\n{''.join(f'{name:>10}' for name in COLUMNS)}")
    rows = [timed(size) for size in sizes]
    for row in rows:
        print(f"{row['nodes']:>10,}{''.join(f'{row[k]:>10.2f}' for k in COLUMNS[1:])}")
    plot.parent.mkdir(parents=True, exist_ok=True)
    plot.write_text(drawn([(row["nodes"], row["processor"]) for row in rows]))
    return rows


def timed(size: int) -> dict[str, float]:
    """Return what it takes to see both sides of a pair and to match them, in seconds."""
    from analyzer.matching.operators import operator_pairs
    from analyzer.view import view_of

    rng = np.random.default_rng(0)
    source = network(size // BLOCK, rng)
    target, log = disguised(source, rng)
    ends = {log[value.name]: value.name for value in target.graph.input}
    start, work = time.perf_counter(), time.process_time()
    left, right = view_of(source, Path()), view_of(target, Path())
    seen = time.perf_counter()
    pairs = operator_pairs(left, right, ends)
    ended, worked = time.perf_counter(), time.process_time()
    paired = [
        (left.operators[one.source].outputs, right.operators[one.target].outputs)
        for one in pairs
    ]
    true = sum(log[theirs[-1]] == ours[-1] for ours, theirs in paired if ours and theirs)
    return {
        "nodes": len(source.graph.node), "view": seen - start, "match": ended - seen,
        "seconds": ended - start, "processor": worked - work,
        "paired": true / len(left.operators),
    }  # fmt: skip


def network(blocks: int, rng: np.random.Generator) -> onnx.ModelProto:
    """Return a residual network of tiny tensors: convolutions, scales, two branches, sums.

    Args:
        blocks: Number of residual blocks, of `BLOCK` nodes each.
        rng: Draws the weights.
    """
    square = (CHANNELS, CHANNELS, 3, 3)
    channel = (CHANNELS, 1, 1)
    weights = {
        f"{kind}{place}": values[place]
        for kind, shape in (("w", square), ("v", square), ("s", channel), ("b", channel))
        for values in [rng.normal(size=(blocks, *shape)).astype(np.float32)]
        for place in range(blocks)
    }
    nodes: list[onnx.NodeProto] = []
    before = "x"
    for place in range(blocks):
        nodes += block(place, before)
        before = f"{place}.y"
    nodes.append(helper.make_node("GlobalAveragePool", [before], ["y"], "head"))
    shape = [1, CHANNELS, 4, 4]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)
        for name, sizes in (("x", shape), ("y", [1, CHANNELS, 1, 1]))
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "blocks", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def block(place: int, given: str) -> list[onnx.NodeProto]:
    """Return the nodes of one residual block."""
    body = (
        ("Conv", (given, f"w{place}"), "c", {"pads": [1, 1, 1, 1]}),
        ("Mul", ("c", f"s{place}"), "m", {}), ("Add", ("m", f"b{place}"), "a", {}),
        ("Relu", ("a",), "r", {}),
        ("Conv", ("r", f"v{place}"), "d", {"pads": [1, 1, 1, 1]}),
        ("Mul", ("d", f"s{place}"), "n", {}), ("Add", ("n", f"b{place}"), "e", {}),
        ("Sigmoid", ("r",), "g", {}), ("Add", ("e", "g"), "z", {}),
        ("Add", ("z", given), "y", {}),
    )  # fmt: skip
    inner = {out for _, _, out, _ in body}
    return [
        helper.make_node(
            op,
            [f"{place}.{name}" if name in inner else name for name in inputs],
            [f"{place}.{out}"],
            f"{place}/{out}",
            **attributes,  # type: ignore[arg-type]
        )
        for op, inputs, out, attributes in body
    ]


def drawn(points: Sequence[tuple[float, float]]) -> str:
    """Return a plot of processor seconds against nodes, both axes logarithmic, as SVG."""
    xs = [math.log10(nodes) for nodes, _ in points]
    ys = [math.log10(max(seconds, 1e-3)) for _, seconds in points]
    low, high = math.floor(min(ys)), math.ceil(max(ys))
    first, last = math.floor(min(xs)), math.ceil(max(xs))

    def place(x: float, y: float) -> tuple[float, float]:
        right = (x - first) / max(1, last - first) * (WIDTH - 2 * MARGIN)
        up = (y - low) / max(1, high - low) * (HEIGHT - 2 * MARGIN)
        return round(MARGIN + right, 1), round(HEIGHT - MARGIN - up, 1)

    marks = [(place(x, low), f"{10**x:,}") for x in range(first, last + 1)]
    levels = [(place(first, y), f"{10.0**y:g} s") for y in range(low, high + 1)]
    dots = [place(x, y) for x, y in zip(xs, ys, strict=True)]
    text = '<text x="{}" y="{}" text-anchor="{}">{}</text>'
    rule = f'<line x1="{{}}" y1="{{}}" x2="{WIDTH - MARGIN}" y2="{{}}" stroke="#ccc"/>'
    path = " ".join(f"{x},{y}" for x, y in dots)
    return "\n".join((
        SVG,
        '<rect width="100%" height="100%" fill="white"/>',
        text.format(WIDTH / 2, MARGIN / 2, "middle", TITLE),
        *(text.format(x, y + 18, "middle", name) for (x, y), name in marks),
        *(text.format(x - 8, y + 4, "end", name) for (x, y), name in levels),
        *(rule.format(x, y, y) for (x, y), _ in levels),
        f'<polyline points="{path}" fill="none" stroke="#06c" stroke-width="2"/>',
        *(f'<circle cx="{x}" cy="{y}" r="4" fill="#06c"/>' for x, y in dots),
        "</svg>\n",
    ))  # fmt: skip
