"""What ONNX Runtime's refusals say: which node, and what about it, in words for a user."""

import re
from collections.abc import Iterable

import onnx

from analyzer.core.graph import node_name, reads

NODE_PATTERNS = tuple(
    map(
        re.compile,
        (
            r"in node \((?P<node>.*?)\)(?: |\.|$)",
            r"running \S+ node\. Name:'(?P<node>.*?)' Status",
            r"Node \((?P<node>.*?)\)(?: Op \(|'s )",
            r'In Node, \("(?P<node>.*?)", ',
            r"of node \((?P<node>.*?)\) ",
            r"node with name '(?P<node>.*)'",
            r"two nodes with same node name \((?P<node>.*)\)",
        ),
    )
)
"""Where ONNX Runtime 1.31 puts a node's name; an operator with a subgraph comes before the
node inside it, and it is the outer one that stands in the main graph."""

READ_PATTERN = re.compile(r"Node input '(?P<tensor>.*)' is not a graph input")
GIVEN_PATTERN = re.compile(r"Duplicate definition of name \((?P<tensor>.*)\)")
IR_PATTERN = re.compile(r"max supported IR version: (\d+)")
OPSET_PATTERN = re.compile(r"official support for domain \S+ is till opset (\d+)")

NOISE = tuple(
    map(
        re.compile,
        (
            r"^\[ONNXRuntimeError\] : \d+ : \w+ : ",
            (
                r"Non-zero status code returned while running \S+ node\. "
                r"Name:'.*?' Status Message: "
            ),
            r"Exception during initialization: ",
            r"This is an invalid model\. ",
            (
                r"/\S*/onnxruntime/\S+?:\d+ .*?\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
                r"(?: const)?(?: \[with [^\]]*\])? "
            ),
            r"(?:/\S+/)?\b\w+\.(?:cc|h|cpp|hpp):\d+ (?:\w+ )?",
            r"\w+ (?:[!=<>]=?|\|\||&&) [\w()]+ was false\. |\w[\w()., ]* was false\. ",
        ),
    )
)
"""What ONNX Runtime writes for its own developers: codes, build paths, C++ signatures, and
the condition that did not hold."""

LONGEST = 300
"""Characters of a refusal that are shown; the useful part stands at its start."""


def guilty_node(text: str, graph: onnx.GraphProto) -> str:
    """Return the name of the main graph's node that a refusal is about, empty if unsaid.

    Args:
        text: What the runtime said.
        graph: The graph it was given.
    """
    names = {node_name(node) for node in graph.node}
    for pattern in NODE_PATTERNS:
        found = pattern.search(text)
        if found and found["node"] in names:
            return found["node"]
    if found := READ_PATTERN.search(text):
        return _name(node for node in graph.node if found["tensor"] in reads(node))
    if found := GIVEN_PATTERN.search(text):
        givers = [node for node in graph.node if found["tensor"] in node.output]
        return _name(reversed(givers))
    return ""


def sentence(text: str) -> str:
    """Return a refusal without what only the runtime's developers can read.

    Args:
        text: What the runtime said.
    """
    for pattern in NOISE:
        text = pattern.sub("", text)
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else words[: LONGEST - 1].rstrip() + "…"


def newest_ir(text: str) -> int:
    """Return the newest IR version that is read, where a newer one is refused; else 0."""
    found = IR_PATTERN.search(text)
    return int(found[1]) if found else 0


def newest_opset(text: str) -> int:
    """Return the newest opset that is read, where a newer one is refused; else 0."""
    found = OPSET_PATTERN.search(text)
    return int(found[1]) if found else 0


def _name(nodes: Iterable[onnx.NodeProto]) -> str:
    """Return the name of the first of some nodes, empty where there is none."""
    return next((node_name(node) for node in nodes), "")
