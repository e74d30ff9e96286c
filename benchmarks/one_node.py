"""Write a model of one node, and its copy."""

import sys
from pathlib import Path

from onnx import TensorProto, helper, save

OPSET, IR_VERSION = 18, 10


def main(folder: Path) -> None:
    """Write ``source.onnx`` and ``target.onnx``: one Relu over four float32 values."""
    folder.mkdir(parents=True, exist_ok=True)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    relu = helper.make_node("Relu", ["x"], ["y"], "relu")
    graph = helper.make_graph([relu], "one_node", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    for name in ("source.onnx", "target.onnx"):
        save(model, folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
