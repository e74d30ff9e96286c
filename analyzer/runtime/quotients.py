"""Quotients of integers that trap the processor, computed so that they do not.

The least integer divided by minus one has no representation: ONNX Runtime 1.31 raises where
a divisor is zero, but here the processor traps, and the trap takes the process with it. In
our own sessions such a quotient wraps around, as the product with minus one does.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.tensors import is_external

TRAPPING = frozenset({TensorProto.INT32, TensorProto.INT64})
"""Element types whose division traps; narrower ones are divided as 32 bits."""

DIVIDING = frozenset({"Div", "Mod"})

WHERE_SINCE = 9
"""The opset that has Where. Source: https://onnx.ai/onnx/operators/onnx__Where.html"""

GIVEN = {
    "Shape": TensorProto.INT64,
    "Size": TensorProto.INT64,
    "ArgMax": TensorProto.INT64,
    "ArgMin": TensorProto.INT64,
    "NonZero": TensorProto.INT64,
}
"""What operators give whatever they read."""

STEM = "/guarded/"
"""Stands in the names of what is added."""


def guarded(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose integers are divided by no minus one.

    Args:
        model: Any model; it is returned as it is where nothing in it can trap so.

    Returns:
        A model of the same inputs and outputs, every tensor under the name it had.
    """
    dividing = [node for node in model.graph.node if node.op_type in DIVIDING]
    opset = max((one.version for one in model.opset_import if not one.domain), default=1)
    if not dividing or opset < WHERE_SINCE:
        return model
    weights = {one.name: one for one in model.graph.initializer}
    open_ = [n for n in dividing if n.input[1:] and not _is_safe(weights.get(n.input[1]))]
    if not open_:
        return model
    typed = _Types(model, weights)
    kinds = {node.output[0]: typed.of(node.input[1]) for node in open_}
    found = {name: kind for name, kind in kinds.items() if kind in TRAPPING}
    return _rewritten(model, found) if found else model


def _is_safe(divisor: onnx.TensorProto | None) -> bool:
    """Return whether a divisor is a constant that nothing traps on."""
    if divisor is None or is_external(divisor):
        return divisor is not None
    if divisor.data_type not in TRAPPING:
        return True
    return bool((numpy_helper.to_array(divisor) != -1).all())


TYPED_BY = {"Where": 1, "CastLike": 1, "OneHot": 2}
"""The input whose type the output has, where it is not the first."""


class _Types:
    """The element types of a graph's tensors, asked for one at a time."""

    def __init__(
        self, model: onnx.ModelProto, weights: Mapping[str, onnx.TensorProto]
    ) -> None:
        graph = model.graph
        values = (*graph.value_info, *graph.output, *graph.input)
        self._known = {one.name: one.type.tensor_type.elem_type for one in values}
        self._known |= {name: one.data_type for name, one in weights.items()}
        self._known = {name: kind for name, kind in self._known.items() if kind}
        self._givers = {name: node for node in graph.node for name in node.output}

    def of(self, name: str) -> int:
        """Return a tensor's element type, 0 where it cannot be told.

        It is followed back to what declares it: most operators give the type they read.
        """
        passed = []
        while name not in self._known and name in self._givers:
            passed.append(name)
            giver = self._givers[name]
            stated = _stated(giver)
            if stated or not giver.input:
                self._known[name] = stated
                break
            name = giver.input[TYPED_BY.get(giver.op_type, 0)]
            if name in passed:
                break
        found = int(self._known.get(name, 0))
        self._known |= dict.fromkeys(passed, found)
        return found


def _stated(node: onnx.NodeProto) -> int:
    """Return the type that a node gives whatever it reads; 0 where it passes one on."""
    settings = {one.name: one for one in node.attribute}
    if node.op_type == "Cast" and "to" in settings:
        return int(settings["to"].i)
    if node.op_type in {"Constant", "ConstantOfShape"} and "value" in settings:
        return int(settings["value"].t.data_type)
    return GIVEN.get(node.op_type, 0)


def _rewritten(model: onnx.ModelProto, kinds: Mapping[str, int]) -> onnx.ModelProto:
    """Return a copy in which some quotients are computed without a divisor of minus one."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    for node in model.graph.node:
        kind = kinds.get(node.output[0]) if node.output else None
        copy.graph.node.extend([node] if kind is None else _parts(node, kind))
    return copy


def _parts(node: onnx.NodeProto, kind: int) -> Iterator[onnx.NodeProto]:
    """Yield a division by one where the divisor is minus one, its sign put right behind."""
    result, divisor = node.output[0], node.input[1]
    name = {key: result + STEM + key for key in ("less", "one", "is", "by", "q", "sign")}
    number = helper.tensor_dtype_to_np_dtype(kind)
    for key, value in (("less", -1), ("one", 1)):
        held = numpy_helper.from_array(np.asarray(value, number))
        yield helper.make_node("Constant", [], [name[key]], name[key], value=held)
    yield helper.make_node("Equal", [divisor, name["less"]], [name["is"]], name["is"])
    chosen = [name["is"], name["one"], divisor]
    yield helper.make_node("Where", chosen, [name["by"]], name["by"])
    part = onnx.NodeProto()
    part.CopyFrom(node)
    part.input[1] = name["by"]
    if node.op_type == "Mod":  # nothing is left over by one, nor by minus one
        yield part
        return
    part.output[0] = name["q"]
    yield part
    signs = [name["is"], name["less"], name["one"]]
    yield helper.make_node("Where", signs, [name["sign"]], name["sign"])
    yield helper.make_node("Mul", [name["q"], name["sign"]], [result], name["sign"] + "ed")
