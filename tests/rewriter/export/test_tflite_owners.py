"""Which operator of a flatbuffer stands behind what in its pivot."""

from pathlib import Path

from analyzer import pivot
from analyzer.core.graph import nodes
from rewriter.export.tflite_file import kind, read
from rewriter.export.tflite_owners import owners

BLOCKS = Path(__file__).parents[1] / "laid_blocks.tflite"
"""A Conv1D(6, 3, padding="causal", dilation_rate=2), as TensorFlow 2.21 converts it."""


def test_block_operator_of_other_ranks_inside_is_owned() -> None:
    """The Slice that ends a BATCH_TO_SPACE_ND is that operator's, whatever ranks it has."""
    held = pivot.load(str(BLOCKS), trust_code=False)
    flatbuffer = read(BLOCKS)
    given = nodes(held.model, held.folder)
    slice_ = next(one for one in given if one.op == "Slice")

    owned = owners(flatbuffer, given)

    assert kind(flatbuffer, owned.operators[slice_.name]) == "BATCH_TO_SPACE_ND"
