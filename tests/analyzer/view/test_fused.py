"""A fused operator and its parts compute the same in ONNX Runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from analyzer.core.types import Array
from analyzer.runtime.session import open_session
from analyzer.view.inline import opened

ULPS = 32
"""Units in the last place of the largest value: the parts round between themselves."""

RANDOM = np.random.default_rng(0)
RUNTIME = "com.microsoft"


def real(*shape: int) -> Array:
    """Return seeded floats of a shape."""
    return RANDOM.normal(size=shape).astype(np.float32)


def whole(*shape: int, high: int = 2) -> Array:
    """Return seeded int32 values of a shape, below a bound."""
    return RANDOM.integers(0, high, shape).astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A fused node: its operands by slot, None where one is absent; what it gives."""

    op: str
    operands: tuple[Array | None, ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("y",)
    opset: int = 18
    domain: str = RUNTIME

    @property
    def label(self) -> str:
        """What the test of this case is called."""
        slots = "".join("-" if one is None else str(one.ndim) for one in self.operands)
        words = "-".join(f"{name}={value}" for name, value in self.settings.items())
        return f"{self.op}-{slots}-{words}-{''.join(self.outputs)}-{self.opset}"


IMAGE, KERNEL, BIAS = real(2, 4, 6, 6), real(8, 2, 3, 3), real(8)
CONV = {"group": 2, "pads": [1, 0, 1, 2], "strides": [1, 2], "kernel_shape": [3, 3]}
CONVS = (
    Case("FusedConv", (IMAGE, KERNEL, BIAS), {**CONV, "activation": "Relu"}),
    Case("FusedConv", (IMAGE, KERNEL), {**CONV, "activation": "Sigmoid"}),
    Case("FusedConv", (IMAGE, KERNEL, BIAS), {"group": 2, "activation": "Tanh"}),
    Case("FusedConv", (IMAGE, KERNEL), {"group": 2}),
    Case(
        "FusedConv",
        (IMAGE, KERNEL, BIAS),
        {**CONV, "activation": "LeakyRelu", "activation_params": [0.25]},
    ),
    Case(
        "FusedConv",
        (IMAGE, KERNEL),
        {**CONV, "activation": "Clip", "activation_params": [-0.5, 1.5]},
    ),
    Case(
        "FusedConv",
        (IMAGE, KERNEL),
        {**CONV, "activation": "Clip", "activation_params": [0.0, 6.0]},
        opset=10,
    ),
    Case(
        "FusedConv",
        (IMAGE, KERNEL),
        {**CONV, "activation": "HardSigmoid", "activation_params": [0.3, 0.4]},
    ),
    Case(
        "FusedConv",
        (IMAGE, KERNEL, BIAS, real(2, 8, 4, 4)),
        {"group": 2, "activation": "Relu"},
    ),
    Case("FusedConv", (IMAGE, KERNEL, None, real(2, 8, 4, 4)), {"group": 2}),
)
GEMM = {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}
GEMMS = tuple(
    Case("FusedGemm", (real(4, 3), real(5, 4), real(5)), {**GEMM, **settings})
    for settings in (
        {"activation": "Relu"},
        {"activation": "Tanh"},
        {"activation": "Sigmoid"},
        {"activation": "Softplus"},
        {"activation": "Softsign"},
        {"activation": "LeakyRelu", "activation_alpha": 0.2},
        {"activation": "Elu", "activation_alpha": 0.7},
        {"activation": "ThresholdedRelu", "activation_alpha": 0.5},
        {"activation": "HardSigmoid", "activation_alpha": 0.3, "activation_beta": 0.4},
    )
)
PRODUCTS = (
    Case("FusedMatMul", (real(2, 3, 4), real(2, 4, 5)), {"alpha": 0.125}),
    Case("FusedMatMul", (real(2, 4, 3), real(2, 4, 5)), {"transA": 1}),
    Case("FusedMatMul", (real(4, 3), real(5, 4)), {"transA": 1, "transB": 1, "alpha": 3.0}),
    Case("FusedMatMul", (real(2, 3, 4, 5), real(5, 5)), {"transB": 1}),
    Case("FusedMatMul", (real(4), real(4, 5)), {"transA": 1}),
    Case("FusedMatMul", (real(4, 3, 5), real(3, 5, 2)), {"transBatchA": 1}),
    Case("FusedMatMul", (real(4, 3, 5), real(3, 4, 2)), {"transBatchA": 1, "transA": 1}),
    Case("FusedMatMul", (real(3, 4, 5), real(2, 3, 5)), {"transBatchB": 1, "transB": 1}),
    Case(
        "FusedMatMul",
        (real(6, 2, 3, 5), real(4, 2, 3, 5)),
        {"transBatchA": 1, "transBatchB": 1, "transB": 1},
    ),
)
WIDE = real(2, 3, 8)
GELUS = (
    *tuple(
        Case(op, operands, opset=opset)
        for opset in (13, 18, 20)
        for op, operands in (
            ("Gelu", (WIDE,)),
            ("BiasGelu", (WIDE, real(8))),
            ("FastGelu", (WIDE,)),
            ("FastGelu", (WIDE, real(8))),
        )
    ),
    Case("QuickGelu", (WIDE,)),
    Case("QuickGelu", (WIDE,), {"alpha": 1.0}),
    Case("QuickGelu", (WIDE,), {"alpha": 2.5}),
)
SKIP = real(2, 3, 8)
NORMS = (
    *tuple(
        case
        for opset in (13, 17, 18, 23)
        for case in (
            Case("SkipLayerNormalization", (WIDE, SKIP, real(8), real(8)), opset=opset),
            Case(
                "SkipLayerNormalization",
                (WIDE, SKIP, real(8), real(8), real(8)),
                {"epsilon": 0.001},
                ("y", "", "", "sum"),
                opset,
            ),
            Case("SkipLayerNormalization", (WIDE, SKIP, real(8)), opset=opset),
            Case("SkipLayerNormalization", (WIDE, real(3, 8), real(8)), opset=opset),
            Case("SkipSimplifiedLayerNormalization", (WIDE, SKIP, real(8)), opset=opset),
            Case(
                "SkipSimplifiedLayerNormalization",
                (WIDE, SKIP, real(8), real(8)),
                {"epsilon": 0.01},
                ("y", "", "", "sum"),
                opset,
            ),
            Case(
                "SimplifiedLayerNormalization",
                (WIDE, real(8)),
                {"axis": -1, "epsilon": 0.0001, "stash_type": 1},
                opset=opset,
                domain="",
            ),
        )
    ),
    Case("LayerNormalization", (WIDE, real(8), real(8)), {"axis": -1}, opset=13, domain=""),
    Case("LayerNormalization", (WIDE, real(3, 8)), {"axis": -2}, opset=14, domain=""),
    Case(
        "SimplifiedLayerNormalization",
        (WIDE, real(8)),
        {"axis": -1, "stash_type": 1},
        ("y", "inverse"),
        domain="",
    ),
)
TOKENS, TABLE = whole(2, 5, high=9), real(9, 8)
EMBEDDINGS = tuple(
    Case("EmbedLayerNormalization", operands, {"epsilon": 1e-5}, outputs, opset)
    for opset in (12, 18)
    for operands, outputs in (
        (
            (TOKENS, whole(2, 5), TABLE, real(7, 8), real(2, 8), real(8), real(8)),
            ("y", "mask", "sum"),
        ),
        ((TOKENS, None, TABLE, real(7, 8), None, real(8), real(8)), ("y", "mask")),
        (
            (TOKENS, None, TABLE, real(7, 8), None, real(8), real(8), whole(2, 5)),
            ("y", "mask"),
        ),
        (
            (
                TOKENS,
                whole(2, 5),
                TABLE,
                real(7, 8),
                real(2, 8),
                real(8),
                real(8),
                None,
                whole(2, 5, high=7),
            ),
            ("y", "mask"),
        ),
    )
)
ATTENTIONS = (
    *tuple(
        Case("Attention", (WIDE, real(8, 24), *rest), {"num_heads": 2, **settings})
        for rest, settings in (
            ((real(24),), {}),
            ((real(24),), {"scale": 0.3}),
            ((real(24), np.asarray([[1, 1, 0], [1, 0, 1]], np.int32)), {}),
            ((real(24), None, None, real(2, 2, 3, 3)), {}),
            ((real(24),), {"qkv_hidden_sizes": [8, 8, 8]}),
        )
    ),
    Case(
        "Attention",
        (WIDE, real(8, 24), real(24)),
        {"num_heads": 2, "qkv_hidden_sizes": [6, 6, 12]},
    ),
)
CASES = (
    *CONVS,
    *GEMMS,
    *PRODUCTS,
    *GELUS,
    *NORMS,
    *EMBEDDINGS,
    *ATTENTIONS,
)

TABLES: Mapping[str, Sequence[int]] = {
    "Attention": (1,),
    "EmbedLayerNormalization": (2, 3, 4, 5, 6),
}
"""Operands that ONNX Runtime wants to know the sizes of."""


def model_of(
    case: Case, *, constant: Sequence[int]
) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """Return a model of the fused node alone, and its inputs.

    Some operands are constants, the others inputs of open sizes.
    """
    held = {
        slot: (f"i{slot}", value)
        for slot, value in enumerate(case.operands)
        if value is not None
    }
    fed = {name: value for slot, (name, value) in held.items() if slot not in constant}
    kept = {name: value for slot, (name, value) in held.items() if slot in constant}
    names = [held[slot][0] if slot in held else "" for slot in range(len(case.operands))]
    node = helper.make_node(
        case.op, names, list(case.outputs), "fused", domain=case.domain, **case.settings
    )
    graph = helper.make_graph(
        [node],
        "alone",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), [None] * value.ndim
            )
            for name, value in fed.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in case.outputs if name],
        [numpy_helper.from_array(value, name) for name, value in kept.items()],
    )
    imports = [helper.make_opsetid("", case.opset), helper.make_opsetid(RUNTIME, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9), fed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
@pytest.mark.parametrize("dynamic", [False, True], ids=["weights", "computed"])
def test_parts_compute_what_the_fused_operator_does(
    case: Case, tmp_path_factory: pytest.TempPathFactory, *, dynamic: bool
) -> None:
    """Opened, the values are the same but for rounding, and nothing fused is left."""
    weights = () if dynamic else range(1, len(case.operands))
    weights = TABLES.get(case.op, weights)
    model, feeds = model_of(case, constant=weights)
    parts = opened(model).model
    folder = tmp_path_factory.getbasetemp()
    names = [name for name in case.outputs if name]
    whole, apart = (open_session(one, folder).run(feeds, names) for one in (model, parts))

    assert {node.op_type for node in parts.graph.node}.isdisjoint({case.op} - {"Gelu"})
    assert {node.domain for node in parts.graph.node} == {""}
    for name in names:
        assert apart[name].dtype == whole[name].dtype
        step = np.spacing(np.float32(np.abs(whole[name]).max()))
        np.testing.assert_allclose(apart[name], whole[name], rtol=0, atol=ULPS * step)
