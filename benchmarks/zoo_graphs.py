"""Sources no framework exports alike: a detection head, an If, a Loop; written as ONNX.

``zoo_graphs.py NAME FOLDER`` writes ``onnx.onnx`` and ``probes.npz``.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from probes import images, sequences

OPSET = 17
IR_VERSION = 10
PROBES = 64
FLOAT, INTEGER, TRUTH = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def described(name: str, sizes: tuple[object, ...]) -> onnx.ValueInfoProto:
    """Return the declaration of a float32 tensor."""
    return helper.make_tensor_value_info(name, FLOAT, list(sizes))


class Sketch:
    """Nodes and constants of a graph under construction, in order."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(seed)

    def add(self, op: str, *reads: str, give: str, **settings: object) -> str:
        """Append an operator and return the tensor it gives."""
        self.nodes.append(
            helper.make_node(op, list(reads), [give], name=f"n_{give}", **settings)
        )
        return give

    def constant(self, name: str, value: object, dtype: type = np.float32) -> str:
        """Append a constant and return its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def weight(self, name: str, *shape: int) -> str:
        """Append random weights that keep the variance and return their name."""
        fan = float(np.prod(shape[1:]) if len(shape) > 2 else shape[0])  # noqa: PLR2004
        return self.constant(name, self.rng.standard_normal(shape) / np.sqrt(fan))

    def conv(self, reads: str, name: str, read: int, give: int, stride: int = 1) -> str:
        """Append a 3x3 convolution with bias and a ReLU."""
        kernel = self.weight(f"{name}_w", give, read, 3, 3)
        bias = self.constant(f"{name}_b", 0.3 * self.rng.standard_normal(give))
        self.add(
            "Conv", reads, kernel, bias, give=f"{name}_c",
            kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride],
        )  # fmt: skip
        return self.add("Relu", f"{name}_c", give=name)

    def dense(self, reads: str, name: str, read: int, give: int) -> str:
        """Append a product with a bias."""
        self.add("MatMul", reads, self.weight(f"{name}_w", read, give), give=f"{name}_m")
        bias = self.constant(f"{name}_b", 0.3 * self.rng.standard_normal(give))
        return self.add("Add", f"{name}_m", bias, give=name)

    def model(
        self, shape: tuple[object, ...], outputs: dict[str, tuple[object, ...]]
    ) -> onnx.ModelProto:
        """Return the model that reads ``x``."""
        graph = helper.make_graph(
            self.nodes, "zoo", [described("x", shape)],
            [described(name, sizes) for name, sizes in outputs.items()],
            self.constants,
        )  # fmt: skip
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )


def detection() -> onnx.ModelProto:
    """Return a detector: two scales joined by Resize, boxes, NMS, TopK, Gather."""
    s = Sketch(1)
    small = s.conv(s.conv(s.conv("x", "a", 3, 8, 2), "b", 8, 16, 2), "c", 16, 16, 2)
    s.constant("scales", [1, 1, 2, 2])
    large = s.add(
        "Resize", small, "", "scales", give="large", mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
    joined = s.add("Concat", large, "b", give="joined", axis=1)
    neck = s.conv(joined, "neck", 32, 16)
    logits = s.conv(neck, "d", 16, 16)
    s.constant("cls_w", 0.1 * s.rng.standard_normal((4, 16, 1, 1)))
    s.add("Conv", logits, "cls_w", give="cls", kernel_shape=[1, 1])
    s.add("Conv", neck, s.weight("box_w", 4, 16, 1, 1), give="box", kernel_shape=[1, 1])
    s.constant("flat", [1, 4, -1], np.int64)
    s.add("Reshape", "cls", "flat", give="cls_flat")
    scores = s.add("Sigmoid", "cls_flat", give="scores")
    s.add("Reshape", "box", "flat", give="box_flat")
    s.add("Transpose", "box_flat", give="box_rows", perm=[0, 2, 1])
    s.constant("gain", [2, 2, 1, 1])
    s.add("Tanh", "box_rows", give="box_tanh")
    s.add("Mul", "box_tanh", "gain", give="box_scaled")
    grid = np.stack(np.meshgrid(np.arange(8), np.arange(8), indexing="ij"), -1)
    anchors = np.concatenate([grid.reshape(-1, 2), np.full((64, 2), 3)], 1)[None]
    boxes = s.add("Add", "box_scaled", s.constant("anchors", anchors), give="boxes")
    s.constant("most", [4], np.int64)
    s.constant("overlap", [0.5])
    s.constant("least", [0.5])
    s.add("NonMaxSuppression", boxes, scores, "most", "overlap", "least", give="picked",
          center_point_box=1)  # fmt: skip
    s.constant("two", 2, np.int64)
    s.add("Gather", "picked", "two", give="places", axis=1)
    s.add("Gather", boxes, "places", give="kept", axis=1)
    s.add("ReduceMax", scores, give="best", axes=[1], keepdims=0)
    s.constant("five", [5], np.int64)
    s.nodes.append(helper.make_node("TopK", ["best", "five"], ["top", "top_at"], "n_top"))
    s.add("Squeeze", "top_at", s.constant("zero", [0], np.int64), give="top_row")
    s.add("Gather", boxes, "top_row", give="top_boxes", axis=1)
    shown = {"kept": (1, "kept", 4), "top": (1, 5), "top_boxes": (1, 5, 4)}
    return s.model((1, 3, 32, 32), shown)


def branch(name: str, seed: int, op: str) -> onnx.GraphProto:
    """Return a branch of an If: a dense layer on ``hidden`` and an activation."""
    s = Sketch(seed)
    s.add(op, s.dense("hidden", f"{name}_d", 16, 16), give=name)
    result = described(name, ("batch", 16))
    return helper.make_graph(s.nodes, name, [], [result], s.constants)


def conditional() -> onnx.ModelProto:
    """Return a network one half of which depends on the sign of a feature."""
    s = Sketch(2)
    s.add("Tanh", s.dense("x", "first", 12, 16), give="hidden")
    s.add("ReduceMean", "hidden", give="mean", keepdims=0)
    s.add("Greater", "mean", s.constant("middle", 0.0), give="positive")
    s.add("If", "positive", give="chosen", then_branch=branch("then", 3, "Relu"),
          else_branch=branch("else", 4, "Sigmoid"))  # fmt: skip
    s.dense("chosen", "y", 16, 10)
    return s.model(("batch", 12), {"y": ("batch", 10)})


def repeated() -> onnx.ModelProto:
    """Return a network that runs a dense layer six times on a state, in a Loop."""
    s, body = Sketch(5), Sketch(6)
    s.add("Tanh", s.dense("x", "first", 12, 16), give="hidden")
    body.add("Identity", "going", give="still")
    body.add("Tanh", body.dense("state", "step", 16, 16), give="bent")
    body.add("Mul", "bent", body.constant("decay", 0.9), give="slow")
    body.add("Add", "slow", "hidden", give="next")
    ends = [("turn", INTEGER, []), ("going", TRUTH, []), ("state", FLOAT, ["batch", 16])]
    inner = helper.make_graph(
        body.nodes, "body", [helper.make_tensor_value_info(*end) for end in ends],
        [helper.make_tensor_value_info("still", TRUTH, []),
         described("next", ("batch", 16))],
        body.constants,
    )  # fmt: skip
    s.constant("turns", 6, np.int64)
    s.constant("yes", 1, np.bool_)
    s.add("Loop", "turns", "yes", "hidden", give="last", body=inner)
    s.dense("last", "y", 16, 10)
    return s.model(("batch", 12), {"y": ("batch", 10)})


BUILDERS = {"detection": detection, "if": conditional, "loop": repeated}


def main(name: str, folder: Path) -> None:
    """Build one source into a folder."""
    onnx.save(BUILDERS[name](), folder / "onnx.onnx")
    if name == "detection":
        drawn = images(PROBES, 3, 32, seed=3, last=False)
    else:
        drawn = sequences(PROBES, 1, 12, seed=3)[:, 0]
    np.savez(folder / "probes.npz", in0=drawn[:, None])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
