"""ONNX Runtime's fused operators, as the plain ONNX operators that each stands for."""

from analyzer.view.fused.known import UNKNOWN, Known, Tensors, declared
from analyzer.view.fused.table import FUSED, parts

__all__ = ["FUSED", "UNKNOWN", "Known", "Tensors", "declared", "parts"]
