"""ONNX Runtime's fused operators, as the plain ONNX operators that each stands for."""

from analyzer.view.fused.table import FUSED, parts
from analyzer.view.fused.types import TensorType, Types, declared

__all__ = ["FUSED", "TensorType", "Types", "declared", "parts"]
