"""Saved torch programs become pivots, and nothing in them runs as code on the way."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from analyzer import pivot
from analyzer.core.errors import LoadError
from analyzer.core.types import Feeds, Pivot
from analyzer.runtime.session import open_session

Load = Callable[..., Pivot]
Draw = Callable[..., Feeds]
ROUNDING = 1e-5


@pytest.mark.parametrize("batch", [1, 3])
def test_pivot_computes_what_torch_computes(load: Load, draw: Draw, batch: int) -> None:
    """A program with a dynamic batch gives the native outputs."""
    model = load("network.pt2")
    feeds = draw(model, batch=batch)

    (expected,) = model.run_native(feeds).values()
    (observed,) = open_session(model.model, model.folder).run(feeds).values()
    assert expected.shape == (batch, 3)
    np.testing.assert_allclose(observed, expected, rtol=ROUNDING, atol=ROUNDING)


def test_inputs_by_name_and_a_dictionary_of_outputs(load: Load, draw: Draw) -> None:
    """The structure that the program was exported with is put together again."""
    model = load("two_ends.pt2")
    feeds = draw(model)

    given = list(model.run_native(feeds).values())
    assert [spec.name for spec in model.inputs] == ["left", "right"]
    np.testing.assert_allclose(given[0], feeds["left"] + feeds["right"])
    np.testing.assert_allclose(given[1], np.floor(feeds["left"] / 2))


def test_weights_keep_names_and_values(load: Load) -> None:
    """The exporter's optimizer would keep the names and fold batch norm into the values."""
    graph = load("network.pt2").model.graph

    assert "stem.0.weight" in {tensor.name for tensor in graph.initializer}
    assert "BatchNormalization" in {node.op_type for node in graph.node}


def test_operator_knows_its_module_and_line(load: Load) -> None:
    """Provenance is the module path and the line in the user's file, without its folder."""
    model = load("network.pt2")

    (convolution,) = (node for node in model.model.graph.node if node.op_type == "Conv")
    layer = model.layers[convolution.output[0]]
    assert layer.name == "stem.0"
    assert layer.location is not None
    assert layer.location.startswith("build_torch.py:")


def test_operation_of_the_model_itself_goes_by_its_own_name(load: Load) -> None:
    """There is no module to name, but there is a line."""
    model = load("network.pt2")

    (relu,) = (node for node in model.model.graph.node if node.op_type == "Relu")
    layer = model.layers[relu.output[0]]
    assert layer.name == "relu"
    assert layer.location is not None


def test_no_path_of_the_builder_stays_in_the_pivot(load: Load, models: Path) -> None:
    """A report may be shared: traces name files, not folders."""
    model = load("network.pt2").model

    text = onnx.printer.to_text(model) + str(model.graph.node)
    assert str(Path(__file__).parent) not in text
    assert str(models) not in text


Edits = dict[str, Callable[[bytes], bytes]]
"""What is done to the content of a member, by how its name ends."""

Json = dict[str, Any]


class Opens:
    """Unpickles as a call that creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        """Return the call."""
        return open, (str(self.marker), "w")


def rewritten(source: Path, target: Path, edits: Edits) -> None:
    """Write a copy of an archive in which the members with these endings are edited."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            fitting = (edits[end] for end in edits if member.filename.endswith(end))
            new.writestr(member.filename, next(fitting, bytes)(old.read(member)))


def as_pickle(marker: Path) -> bytes:
    """Return a torch file that creates the marker when it is unpickled."""
    import torch

    content = io.BytesIO()
    torch.save(Opens(marker), content)
    return content.getvalue()


def in_json(edit: Callable[[Json], None]) -> Callable[[bytes], bytes]:
    """Return an edit of a member that holds JSON."""

    def edited(content: bytes) -> bytes:
        document = json.loads(content)
        edit(document)
        return json.dumps(document).encode()

    return edited


def first_size(text: str) -> Callable[[Json], None]:
    """Return an edit that puts a text where the first symbolic size stands."""

    def edit(document: Json) -> None:
        values = document["graph_module"]["graph"]["tensor_values"].values()
        sizes = (size for value in values for size in value["sizes"] if "as_expr" in size)
        next(sizes)["as_expr"]["expr_str"] = text

    return edit


def payloads(marker: Path) -> dict[str, Edits]:
    """Return edits by the way that they make torch run code, which creates the marker."""
    code = f"open({str(marker)!r}, 'w')"

    def weight(document: Json) -> None:
        next(iter(document["config"].values()))["use_pickle"] = True

    def call(document: Json) -> None:
        node = document["graph_module"]["graph"]["nodes"][-1]
        node["target"] = "torch.os.mkdir"
        node["inputs"] = [{"name": "", "arg": {"as_string": str(marker)}, "kind": 1}]

    return {
        "sample inputs": {"sample_inputs/model.pt": lambda _: as_pickle(marker)},
        "symbolic size": {"models/model.json": in_json(first_size(code))},
        "pickled weight": {
            "weights_config.json": in_json(weight),
            "weights/weight_0": lambda _: as_pickle(marker),
        },
        "guard": {"models/model.json": in_json(lambda it: it.update(guards_code=[code]))},
        "operator": {"models/model.json": in_json(call)},
    }


WAYS = ("sample inputs", "symbolic size", "pickled weight", "guard", "operator")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("warm")
def test_code_in_a_program_is_refused_and_never_runs(
    models: Path, tmp_path: Path, way: str
) -> None:
    """The message says that there is code; the marker the code would leave is not there."""
    marker, hostile = tmp_path / "marker", tmp_path / "hostile.pt2"
    rewritten(models / "network.pt2", hostile, payloads(marker)[way])

    with pytest.raises(LoadError, match="holds code that loading it would run"):
        pivot.load(str(hostile), trust_code=False)
    assert not marker.exists()


@pytest.mark.parametrize("way", ["sample inputs", "symbolic size", "pickled weight"])
@pytest.mark.usefixtures("warm")
def test_the_payloads_are_no_blanks(models: Path, tmp_path: Path, way: str) -> None:
    """Trusted, the same files do run their code: the test above tests something."""
    marker, hostile = tmp_path / "marker", tmp_path / "hostile.pt2"
    rewritten(models / "network.pt2", hostile, payloads(marker)[way])

    with pytest.raises(LoadError):
        pivot.load(str(hostile), trust_code=True)
    assert marker.exists()


def test_bomb_is_refused(tmp_path: Path) -> None:
    """A bomb is seen in the archive's index, before anything is unpacked."""
    bomb = tmp_path / "bomb.pt2"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/models/model.json", b"\0" * (1 << 24))

    with pytest.raises(LoadError, match="claims to unpack to 16,777,216 bytes"):
        pivot.load(str(bomb), trust_code=False)


@pytest.mark.usefixtures("warm")
def test_path_is_relative_to_where_the_user_stands(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that started elsewhere still finds the file."""
    monkeypatch.chdir(models)

    assert pivot.load("two_ends.pt2", trust_code=False).framework == "torch"
