"""ONNX Runtime's fused operators, as the plain ONNX operators that each stands for."""

from analyzer.view.fused.known import UNKNOWN, Known, Tensors, declared
from analyzer.view.fused.table import FUSED, SPELLED, parts

__all__ = ["FUSED", "SPELLED", "UNKNOWN", "Known", "Tensors", "declared", "parts"]
