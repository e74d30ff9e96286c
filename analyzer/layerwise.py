"""How far the layers of a quantized pivot are from its framework's."""

from dataclasses import replace

from analyzer.core.options import Options
from analyzer.core.types import Pivot
from analyzer.probes import draw

SAMPLES = 2
"""Samples that are looked at: every value of a layer counts, and one run may be dead."""


def in_steps(pivot: Pivot) -> Pivot:
    """Return a pivot whose quantized layers are held against its framework's own.

    Args:
        pivot: Any; the same is given back where nothing in it is quantized, or its
            framework tells nothing.

    Raises:
        UsageError: An input cannot be drawn.
    """
    quantized = any(node.op_type == "QuantizeLinear" for node in pivot.model.graph.node)
    if not quantized or pivot.remake is None or pivot.refusal is not None:
        return pivot
    looked = pivot.remake(draw(pivot, Options(samples=SAMPLES))[0])
    return pivot if looked is None else replace(pivot, steps=looked.steps)
