"""Frozen TensorFlow graphs: one ``.pb`` file, the variables in it as constants."""

from dataclasses import dataclass

from analyzer.core.errors import LoadError
from analyzer.core.types import Pivot
from analyzer.frontends.base import existing
from analyzer.frontends.graph_safety import frozen_dangers
from analyzer.frontends.imported import Importer, load
from analyzer.frontends.saved_model import GRAPH
from analyzer.frontends.scanned import check_graph

IMPORTER = Importer(
    framework="tensorflow",
    family="tensorflow",
    module="analyzer.frontends.child.from_frozen_graph",
    tool="tf2onnx",
    needs=("tensorflow", "tf2onnx"),
    extra="tensorflow",
)


@dataclass(frozen=True, slots=True)
class FrozenGraphFrontend:
    """Reads a binary ``GraphDef``; tf2onnx makes the pivot, TensorFlow runs it."""

    framework: str = "tensorflow"
    reads: tuple[str, ...] = (".pb",)

    def claims(self, path: str) -> bool:
        """Return whether the path ends as frozen graphs do, in binary or as text."""
        return path.lower().endswith((".pb", ".pbtxt"))

    def load(self, path: str, *, trust_code: bool) -> Pivot:
        """Return the model as a pivot: placeholders are fed, what nobody reads is given.

        Args:
            path: As the user gave it.
            trust_code: Whether its graph may hold operators that touch files, run Python or
                hold datasets.

        Raises:
            LoadError: The file is no frozen graph, it holds such operators, or TensorFlow
                or tf2onnx is missing or fails.
        """
        file = existing(path)
        if file.name == GRAPH:
            raise LoadError(
                f"{path} is the graph of a SavedModel, whose variables lie beside it",
                hint=f"name the folder: {file.parent}",
            )
        if file.suffix.lower() == ".pbtxt":
            raise LoadError(
                f"{path} is a graph as text, which is not read",
                hint="write it in binary: graph_def.SerializeToString()",
            )
        check_graph(path, file, frozen_dangers, trust_code=trust_code)
        return load(path, file, IMPORTER, trust_code=trust_code)


FRONTEND = FrozenGraphFrontend()
