"""TensorFlow SavedModels: a folder with a graph, its variables, and signatures."""

from dataclasses import dataclass, replace
from pathlib import Path

from analyzer.core.errors import LoadError
from analyzer.core.types import Pivot
from analyzer.frontends.graph_safety import saved_model_dangers
from analyzer.frontends.hints import Hints
from analyzer.frontends.imported import Importer, load
from analyzer.frontends.scanned import check_graph

IMPORTER = Importer(
    framework="tensorflow",
    family="tensorflow",
    module="analyzer.frontends.child.from_saved_model",
    tool="tf2onnx",
    needs=("tensorflow", "tf2onnx"),
    extra="tensorflow",
)

GRAPH = "saved_model.pb"
OTHER_FORMS = ("saved_model.pbtxt", "saved_model.cpb")
"""A graph as text, and in pieces beyond protobuf's 2 GiB."""


@dataclass(frozen=True, slots=True)
class SavedModelFrontend:
    """Reads what ``model.export`` writes; tf2onnx makes the pivot, TensorFlow runs it."""

    framework: str = "tensorflow"
    reads: tuple[str, ...] = ("SavedModel folder",)

    def claims(self, path: str) -> bool:
        """Return whether the path is a folder."""
        return Path(path).is_dir()

    def asks(self, path: str) -> bool:
        """Return False: a signature says everything of its inputs."""
        del path
        return False

    def load(self, path: str, *, trust_code: bool) -> Pivot:
        """Return the model as a pivot, under the names of its default signature.

        Args:
            path: As the user gave it.
            trust_code: As of `load_hinted`.
        """
        return self.load_hinted(path, Hints(), trust_code=trust_code)

    def load_hinted(self, path: str, hints: Hints, *, trust_code: bool) -> Pivot:
        """Return the model as a pivot, under the names of its signature.

        Args:
            path: As the user gave it.
            hints: The signature that the user chose.
            trust_code: Whether its graph may hold operators that touch files, run Python or
                hold datasets, and its files may lie elsewhere.

        Raises:
            LoadError: The folder is no SavedModel or a broken one, its graph holds such
                operators, or TensorFlow or tf2onnx is missing or fails.
            UsageError: It has no such signature, or several and none is chosen.
        """
        folder = Path(path)
        file = _graph(path, folder)
        if not trust_code:
            _refuse_outside(path, folder)
        check_graph(path, file, saved_model_dangers, trust_code=trust_code)
        settings = {"signature": hints.signature}
        pivot = load(path, folder, IMPORTER, trust_code=trust_code, settings=settings)
        return replace(pivot, signature=hints.signature)


def _graph(path: str, folder: Path) -> Path:
    file = folder / GRAPH
    if file.is_file():
        return file
    found = next((name for name in OTHER_FORMS if (folder / name).exists()), None)
    if found:
        raise LoadError(
            f"{path} holds its graph as {found}, which is not read",
            hint=f"save the model again: TensorFlow writes {GRAPH}",
        )
    raise LoadError(
        f"{path} is a folder without {GRAPH}, so it is no SavedModel",
        hint=f"name a model file, or the folder that {GRAPH} lies in",
    )


def _refuse_outside(path: str, folder: Path) -> None:
    """Refuse a folder whose files lie elsewhere.

    Raises:
        LoadError: One is a link that leads out of it, or nowhere.
    """
    for file in folder.rglob("*"):
        if not _lies_inside(file, folder.resolve()):
            raise LoadError(
                f"{path} holds {file.relative_to(folder)}, a link out of the folder",
                hint="copy the file into it, or pass --trust-code if you trust the model",
            )


def _lies_inside(file: Path, home: Path) -> bool:
    try:
        return file.resolve().is_relative_to(home)
    except RuntimeError:  # a link that leads to itself
        return False


FRONTEND = SavedModelFrontend()
