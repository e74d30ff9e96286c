"""What a SavedModel states beside what it computes, read without TensorFlow."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from analyzer.frontends.protobuf import nested, text
from rewriter.export.facts import digest

GRAPH_FILE = "saved_model.pb"
BESIDE = ("assets", "assets.extra")
"""Folders of files that come with the graph.

Source: https://www.tensorflow.org/guide/saved_model#the_savedmodel_format_on_disk"""

GRAPHS, ABOUT, SIGNATURES = 2, 1, 5
"""Fields: the graphs of a SavedModel, and of each its tags and its signatures.

Source: tensorflow/core/protobuf/saved_model.proto, meta_graph.proto"""

TAG, KEY, VALUE = 4, 1, 2


def facts(path: Path) -> Mapping[str, str]:
    """Return tags, signatures and files of a SavedModel.

    Args:
        path: A folder that was loaded before.
    """
    return dict(_facts(path))


def _facts(path: Path) -> Iterator[tuple[str, str]]:
    content = memoryview((path / GRAPH_FILE).read_bytes())
    for graph in nested(content, GRAPHS):
        for about in nested(graph, ABOUT):
            yield "tags", ", ".join(str(tag, "utf-8") for tag in nested(about, TAG))
        for entry in nested(graph, SIGNATURES):
            yield f"signature {text(entry, KEY)}", _signature(entry)
    for folder in BESIDE:
        for one in sorted((path / folder).rglob("*")):
            if one.is_file():
                yield f"file {one.relative_to(path).as_posix()}", digest(one.read_bytes())


def _signature(entry: memoryview) -> str:
    """Return the names of a signature's inputs and outputs."""
    return "; ".join(
        " -> ".join(
            ", ".join(sorted(text(tensor, KEY) for tensor in nested(definition, side)))
            for side in (1, 2)
        )
        for definition in nested(entry, VALUE)
    )
