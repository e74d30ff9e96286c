"""What an ONNX file states beside what it computes."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx

from analyzer.core.grids import READER
from analyzer.runtime.skeleton import read_skeleton
from rewriter.export.facts import digest

LATER = ("onnx.ai", "ai.onnx")
"""Other spellings of ONNX's own domain, which is empty."""


def facts(path: Path) -> Mapping[str, str]:
    """Return metadata, producer, operator sets, functions and what is quantized.

    Args:
        path: An ``.onnx`` file that was loaded before.
    """
    return dict(_facts(read_skeleton(path)))


def _facts(model: onnx.ModelProto) -> Iterator[tuple[str, str]]:
    yield "producer", f"{model.producer_name} {model.producer_version}".strip()
    yield "description", model.doc_string
    yield "functions", ", ".join(sorted(one.name for one in model.functions))
    yield "integer grids", f"{_grids(model)} readers"
    for entry in model.opset_import:
        domain = "" if entry.domain in LATER else entry.domain
        yield f"operator set {domain or 'ai.onnx'}", str(entry.version)
    for stated in model.metadata_props:
        yield f"metadata {stated.key}", digest(stated.value.encode())


def _grids(model: onnx.ModelProto) -> int:
    return sum(node.op_type == READER for node in model.graph.node)
