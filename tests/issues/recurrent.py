"""Issues about recurrences: gates, activations, directions, cells written out."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _gru() -> onnx.ModelProto:
    """Return torch's GRU, which multiplies by the reset gate behind the recurrence."""
    return spelled(
        """torch (float[6,N,4] x) => (float[6,N,3] y) <int64[1] direction = {1}> {
            hidden = Tanh (x)
            all, last = GRU <hidden_size: int = 5, linear_before_reset: int = 1>
                (hidden, w, r, b)
            states = Squeeze (all, direction)
            y = MatMul (states, head)
        }""",
        {"w": _stacked(_GRU_W, "zrn"), "r": _stacked(_GRU_R, "zrn"), **_gru_bias("zrn")},
    )


def _gru_by_onnxscript(option: str) -> onnx.ModelProto:
    """Return onnxscript's: torch's own weights, their gates re-ordered in the graph."""
    return spelled(
        f"""main_graph (float[6,N,4] input) => (float[6,N,3] output)
            <int64[1] d0 = {{0}}, int64[1] d1 = {{1}}, int64[1] e5 = {{5}},
             int64[1] e10 = {{10}}, int64[1] e15 = {{15}}> {{
            tanh = Tanh (input)
            {_reordered("weight_ih", "zrn", "rzn")}
            {_reordered("weight_hh", "zrn", "rzn")}
            {_reordered("bias_ih", "zrn", "rzn")}
            {_reordered("bias_hh", "zrn", "rzn")}
            bias = Concat <axis: int = 0> (bias_ih_all, bias_hh_all)
            w = Unsqueeze (weight_ih_all, d0)
            r = Unsqueeze (weight_hh_all, d0)
            b = Unsqueeze (bias, d0)
            gru, gru_h = GRU <hidden_size: int = 5{option}> (tanh, w, r, b)
            squeezed = Squeeze (gru, d1)
            output = MatMul (squeezed, head)
        }}""",
        {
            "weight_ih": _stacked(_GRU_W, "rzn")[0],
            "weight_hh": _stacked(_GRU_R, "rzn")[0],
            "bias_ih": np.concatenate([_GRU_B[gate][:5] for gate in "rzn"]),
            "bias_hh": np.concatenate([_GRU_B[gate][5:] for gate in "rzn"]),
            "head": _HEAD,
        },
    )


def _lstm() -> onnx.ModelProto:
    """Return an LSTM with its gates as ONNX has them: input, output, forget, cell."""
    return spelled(
        """torch (float[6,N,4] x) => (float[6,N,3] y) <int64[1] direction = {1}> {
            hidden = Tanh (x)
            all, last, cell = LSTM <hidden_size: int = 5> (hidden, w, r, b)
            states = Squeeze (all, direction)
            y = MatMul (states, head)
        }""",
        {
            "w": _stacked(_LSTM_W, "iofc"),
            "r": _stacked(_LSTM_R, "iofc"),
            "b": _lstm_bias("iofc"),
            "head": _HEAD,
        },
    )


def _lstm_by_torch(order: str) -> onnx.ModelProto:
    """Return the exporter's: weights as torch has them, re-ordered in the graph."""
    return spelled(
        f"""main_graph (float[6,N,4] input) => (float[6,N,3] output)
            <int64[1] d0 = {{0}}, int64[1] d1 = {{1}}, int64[1] e5 = {{5}},
             int64[1] e10 = {{10}}, int64[1] e15 = {{15}}, int64[1] e20 = {{20}}> {{
            tanh = Tanh (input)
            {_reordered("weight_ih", order, "ifco")}
            {_reordered("weight_hh", "iofc", "ifco")}
            {_reordered("bias", "iofc", "ifco")}
            {_reordered("bias_hh", "iofc", "ifco")}
            both = Concat <axis: int = 0> (bias_all, bias_hh_all)
            w = Unsqueeze (weight_ih_all, d0)
            r = Unsqueeze (weight_hh_all, d0)
            b = Unsqueeze (both, d0)
            lstm, lstm_h, lstm_c = LSTM <hidden_size: int = 5> (tanh, w, r, b)
            squeezed = Squeeze (lstm, d1)
            output = MatMul (squeezed, head)
        }}""",
        {
            "weight_ih": _stacked(_LSTM_W, "ifco")[0],
            "weight_hh": _stacked(_LSTM_R, "ifco")[0],
            "bias": np.concatenate([_LSTM_B[gate][:5] for gate in "ifco"]),
            "bias_hh": np.concatenate([_LSTM_B[gate][5:] for gate in "ifco"]),
            "head": _HEAD,
        },
    )


def _lstm_folded(order: str, direction: str = "forward") -> onnx.ModelProto:
    """Return the same with the weights folded, batch first, the product transposed."""
    return spelled(
        f"""converted (float[N,6,4] x) => (float[N,6,3] y)
            <int64[3] rows = {{0, 0, -1}}> {{
            t = Tanh (x)
            m = Transpose <perm: ints = [1,0,2]> (t)
            a, h, c = LSTM <direction: string = "{direction}", hidden_size: int = 5>
                (m, kernel, recurrent, bias)
            n = Transpose <perm: ints = [2,0,1,3]> (a)
            s = Reshape (n, rows)
            y = MatMul (s, dense)
        }}""",
        {
            "kernel": _stacked(_LSTM_W, order),
            "recurrent": _stacked(_LSTM_R, order),
            "bias": _lstm_bias(order),
            "dense": _HEAD,
        },
    )


def _both_ways() -> onnx.ModelProto:
    """Return Keras's Bidirectional LSTM of rectified units as two recurrences."""
    return spelled(
        """keras (float[6,N,4] x) => (float[6,N,3] y) <int64[1] direction = {1}> {
            scaled = Tanh (x)
            ahead, ah, ac = LSTM <hidden_size: int = 5,
                activations: strings = ["Sigmoid","Relu","Relu"]> (scaled, w0, r0, b0)
            behind, bh, bc = LSTM <direction: string = "reverse", hidden_size: int = 5,
                activations: strings = ["Sigmoid","Relu","Relu"]> (scaled, w1, r1, b1)
            one = Squeeze (ahead, direction)
            other = Squeeze (behind, direction)
            both = Concat <axis: int = 2> (one, other)
            y = MatMul (both, head)
        }""",
        {**_TWO, "head": _WIDE},
    )


def _both_ways_by_tf2onnx(activations: str) -> onnx.ModelProto:
    """Return tf2onnx's: one bidirectional LSTM, its directions laid side by side."""
    return spelled(
        f"""tf2onnx (float[6,N,4] x) => (float[6,N,3] y) <int64[3] flat = {{0, 0, -1}}> {{
            t = Tanh (x)
            a, h, c = LSTM <direction: string = "bidirectional",
                hidden_size: int = 5{activations}> (t, w, r, b)
            m = Transpose <perm: ints = [0,2,1,3]> (a)
            s = Reshape (m, flat)
            y = MatMul (s, dense)
        }}""",
        {
            "w": np.concatenate([_TWO["w0"], _TWO["w1"]]),
            "r": np.concatenate([_TWO["r0"], _TWO["r1"]]),
            "b": np.concatenate([_TWO["b0"], _TWO["b1"]]),
            "dense": _WIDE,
        },
    )


def _both_ways_by_flips(before: str, behind: str) -> onnx.ModelProto:
    """Return the backward one as a forward one of the flipped sequence."""
    options = 'hidden_size: int = 5, activations: strings = ["Sigmoid","Relu","Relu"]'
    return spelled(
        f"""keras2onnx (float[6,N,4] x) => (float[6,N,3] y)
            <int64[1] d = {{1}}, int64[1] last = {{-1}}, int64[1] axis = {{0}},
             int64[1] beyond = {{-9223372036854775807}}, int64[1] step = {{-1}}> {{
            t = Tanh (x)
            a, ah, ac = LSTM <{options}> (t, w0, r0, b0)
            {before}
            e, eh, ec = LSTM <{options}> (f, w1, r1, b1)
            {behind}
            b = Squeeze (a, d)
            c = Squeeze (g, d)
            s = Concat <axis: int = -1> (b, c)
            y = MatMul (s, head)
        }}""",
        {**_TWO, "head": _WIDE},
    )


def _written_out(squash: str, *gates: str) -> onnx.ModelProto:
    """Return the LSTM step by step, as tf2onnx writes it where it knows no cell."""
    steps = "\n".join(_step(turn, squash, gates) for turn in range(6))
    states = ", ".join(f"u{turn}" for turn in range(6))
    lifted = "\n".join(f"u{turn} = Unsqueeze (h{turn + 1}, d0)" for turn in range(6))
    return spelled(
        f"""tf2onnx (float[6,N,4] x) => (float[6,N,3] y)
            <int64[1] d0 = {{0}}, int64[1] one = {{1}}, int64 width = {{5}},
             float nought = {{0.0}}, int64[4] halves = {{5, 5, 5, 5}}> {{
            t = Tanh (x)
            shape = Shape (t)
            batch = Slice (shape, one, two)
            wide = Concat <axis: int = 0> (batch, five)
            h0 = Expand (nought, wide)
            c0 = Expand (nought, wide)
            {steps}
            {lifted}
            s = Concat <axis: int = 0> ({states})
            y = MatMul (s, head)
        }}""",
        {
            "two": np.asarray([2]),
            "five": np.asarray([5]),
            "kernel": np.concatenate([_LSTM_W[gate] for gate in "icfo"]).T.copy(),
            "recurrent": np.concatenate([_LSTM_R[gate] for gate in "icfo"]).T.copy(),
            "bias": np.concatenate(
                [_LSTM_B[gate][:5] + _LSTM_B[gate][5:] for gate in "icfo"]
            ),
            "head": _HEAD,
            **{f"at{turn}": np.asarray(turn) for turn in range(6)},
        },
    )


def _step(turn: int, squash: str, gates: tuple[str, ...]) -> str:
    """Return one step: products, the four gates, the cell, what comes out."""
    i, c, f, o = (f"{gate}{turn}" for gate in gates)
    return f"""
        x{turn} = Gather <axis: int = 0> (t, at{turn})
        p{turn} = MatMul (x{turn}, kernel)
        q{turn} = MatMul (h{turn}, recurrent)
        a{turn} = Add (p{turn}, q{turn})
        z{turn} = Add (a{turn}, bias)
        zi{turn}, zc{turn}, zf{turn}, zo{turn} = Split <axis: int = 1> (z{turn}, halves)
        si{turn} = Sigmoid ({i})
        sf{turn} = Sigmoid ({f})
        so{turn} = Sigmoid ({o})
        tc{turn} = {squash} ({c})
        k{turn} = Mul (sf{turn}, c{turn})
        n{turn} = Mul (si{turn}, tc{turn})
        c{turn + 1} = Add (k{turn}, n{turn})
        th{turn} = Tanh (c{turn + 1})
        h{turn + 1} = Mul (so{turn}, th{turn})"""


def _reordered(name: str, wanted: str, held: str) -> str:
    """Return nodes that put the gates of a stacked weight into another order."""
    slices = "\n".join(
        f"{name}_{gate} = Slice ({name}, {_at(place)}, {_at(place + 1)}, d0)"
        for place, gate in enumerate(held)
    )
    parts = ", ".join(f"{name}_{gate}" for gate in wanted)
    return f"{slices}\n{name}_all = Concat <axis: int = 0> ({parts})"


def _at(place: int) -> str:
    return f"e{5 * place}" if place else "d0"


def _stacked(gates: dict[str, np.ndarray], order: str) -> np.ndarray:
    """Return the gates below each other, with an axis for the one direction."""
    return np.concatenate([gates[gate] for gate in order])[None]


def _lstm_bias(order: str) -> np.ndarray:
    halves = [[_LSTM_B[gate][part] for gate in order] for part in (_OWN, _FED)]
    return np.concatenate([np.concatenate(half) for half in halves])[None]


def _gru_bias(order: str) -> dict[str, np.ndarray]:
    halves = [[_GRU_B[gate][part] for gate in order] for part in (_OWN, _FED)]
    whole = np.concatenate([np.concatenate(half) for half in halves])[None]
    return {"b": whole, "head": _HEAD}


_OWN, _FED = slice(0, 5), slice(5, 10)
_LSTM_W = {gate: drawn(5, 4, seed=seed) for seed, gate in enumerate("iofc")}
_LSTM_R = {gate: drawn(5, 5, seed=seed + 4) for seed, gate in enumerate("iofc")}
_LSTM_B = {gate: drawn(10, seed=seed + 8) for seed, gate in enumerate("iofc")}
_GRU_W = {gate: drawn(5, 4, seed=seed) for seed, gate in enumerate("zrn")}
_GRU_R = {gate: drawn(5, 5, seed=seed + 4) for seed, gate in enumerate("zrn")}
_GRU_B = {gate: drawn(10, seed=seed + 8) for seed, gate in enumerate("zrn")}
_HEAD = drawn(5, 3, seed=20)
_WIDE = drawn(10, 3, seed=21)
_TWO = {
    "w0": drawn(1, 20, 4, seed=30),
    "r0": drawn(1, 20, 5, seed=31, scale=0.2),
    "b0": drawn(1, 40, seed=32),
    "w1": drawn(1, 20, 4, seed=33),
    "r1": drawn(1, 20, 5, seed=34, scale=0.2),
    "b1": drawn(1, 40, seed=35),
}
_RECTIFIED = ', activations: strings = ["Sigmoid","Relu","Relu","Sigmoid","Relu","Relu"]'
_FLIP = "Slice ({}, last, beyond, axis, step)"
_GATES = "zi", "zc", "zf", "zo"

ISSUES = (
    Issue(
        link="microsoft/onnxscript#2852",
        title="a GRU resets before its product instead of behind it",
        rule="option-dropped",
        source=_gru,
        healthy=partial(_gru_by_onnxscript, ", linear_before_reset: int = 1"),
        broken=partial(_gru_by_onnxscript, ""),
        guilty=("gru",),
    ),
    Issue(
        link="",
        slug="lstm-gates-computed",
        title="the graph that re-orders an LSTM's gates forgets one exchange",
        rule="weight-reordered",
        source=_lstm,
        healthy=partial(_lstm_by_torch, "iofc"),
        broken=partial(_lstm_by_torch, "ifoc"),
        guilty=("weight_ih_all",),
    ),
    Issue(
        link="",
        slug="lstm-gates-folded",
        title="an LSTM's gates stand in torch's order",
        rule="weight-reordered",
        source=_lstm,
        healthy=partial(_lstm_folded, "iofc"),
        broken=partial(_lstm_folded, "ifco"),
        guilty=("a",),
    ),
    Issue(
        link="",
        slug="lstm-direction",
        title="an LSTM runs from the last step to the first",
        rule="attribute-differs",
        source=_lstm,
        healthy=partial(_lstm_folded, "iofc"),
        broken=partial(_lstm_folded, "iofc", "reverse"),
        guilty=("a",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#2211",
        title="a bidirectional LSTM loses its activations",
        rule="subgraph-differs",
        source=_both_ways,
        healthy=partial(_both_ways_by_tf2onnx, _RECTIFIED),
        broken=partial(_both_ways_by_tf2onnx, ""),
        guilty=("a",),
    ),
    Issue(
        link="onnx/keras-onnx#89",
        title="the backward recurrence of a bidirectional LSTM is left back to front",
        rule="order-reversed",
        source=_both_ways,
        healthy=partial(
            _both_ways_by_flips,
            f"f = {_FLIP.format('t')}",
            f"g = {_FLIP.format('e')}",
        ),
        broken=partial(_both_ways_by_flips, f"f = {_FLIP.format('t')}", "g = Identity (e)"),
        guilty=("e", "f", "g"),
    ),
    Issue(
        link="onnx/tensorflow-onnx#1546",
        title="an LSTM is written out step by step",
        rule="",
        source=_lstm,
        healthy=partial(_written_out, "Tanh", *_GATES),
    ),
    Issue(
        link="onnx/tensorflow-onnx#2002",
        title="an LSTM written out step by step has another activation",
        rule="subgraph-differs",
        source=_lstm,
        healthy=partial(_written_out, "Tanh", *_GATES),
        broken=partial(_written_out, "Sigmoid", *_GATES),
        guilty=("s",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#861",
        title="an LSTM written out step by step exchanges two gates",
        rule="subgraph-differs",
        source=_lstm,
        healthy=partial(_written_out, "Tanh", *_GATES),
        broken=partial(_written_out, "Tanh", "zi", "zc", "zo", "zf"),
        guilty=("s",),
    ),
)
