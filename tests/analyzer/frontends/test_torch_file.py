"""A ``.pt`` file is told by its content: TorchScript, weights, or what is not opened."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.errors import LoadError, UsageError
from analyzer.core.types import Feeds, Pivot, TensorSpec
from analyzer.frontends.hints import Hints
from analyzer.frontends.pickled import Kind, content_of
from analyzer.runtime.session import open_session

Load = Callable[..., Pivot]
Draw = Callable[..., Feeds]
FACTORY = f"{Path(__file__).resolve().parent / 'factories.py'}:classifier"
SIZES = {"image": (2, 3, 8, 8)}


def outputs(model: Pivot, feeds: Feeds) -> tuple[np.ndarray, np.ndarray]:
    """Return the one output natively, and the pivot's."""
    (expected,) = model.run_native(feeds).values()
    (observed,) = open_session(model.model, model.folder).run(feeds).values()
    return np.asarray(expected), np.asarray(observed)


@pytest.mark.parametrize("batch", [1, 3])
def test_traced_module_keeps_its_sizes_and_takes_any_batch(
    load: Load, draw: Draw, batch: int
) -> None:
    """The archive has the sizes that the module was traced with."""
    model = load("traced.pt")
    expected, observed = outputs(model, draw(model, batch=batch))

    assert model.inputs == (TensorSpec("image", "float32", ("batch", 3, 8, 8)),)
    assert expected.shape == (batch, 3)
    np.testing.assert_allclose(observed, expected, rtol=1e-5, atol=1e-5)


def test_parameters_and_batch_norm_of_torchscript_stay(load: Load) -> None:
    """Each weight bears its own name, and nothing is folded into the convolution."""
    model = load("traced.pt")
    graph = model.model.graph

    assert {"stem.0.weight", "head.bias"} <= {tensor.name for tensor in graph.initializer}
    assert "BatchNormalization" in {node.op_type for node in graph.node}
    assert {layer.name for layer in model.layers.values()} == {"stem.0", "stem.1", "head"}


def test_layers_within_lists_go_by_their_path(load: Load) -> None:
    """The exporter leaves the list out of a node's name where a trace called its parts."""
    found = {layer.name for layer in load("listed.pt").layers.values()}

    listed = {f"{block}.branches.{place}" for block in (0, 2) for place in (0, 1)}
    assert found >= {"1", *listed}


def test_scripted_module_asks_for_its_sizes(load: Load) -> None:
    """The message names the input and the option."""
    with pytest.raises(UsageError, match="says nothing of the sizes") as refusal:
        load("scripted.pt")

    assert "--input-shapes image:[" in refusal.value.hint


@pytest.mark.parametrize(
    "hints",
    [
        Hints(shapes=SIZES),
        Hints(inputs=(TensorSpec("x", "float32", ("n", 3, 8, 8)),)),
        Hints(inputs=(TensorSpec("x", "float32", (None, 8, 8, 3)),)),
    ],
    ids=["the user", "the other model", "the other model, channels last"],
)
def test_scripted_module_is_told_its_sizes(load: Load, draw: Draw, hints: Hints) -> None:
    """Whoever says them, the pivot computes what the module computes."""
    model = load("scripted.pt", hints=hints)
    expected, observed = outputs(model, draw(model, batch=2))

    assert model.inputs[0].shape == ("batch", 3, 8, 8)
    np.testing.assert_allclose(observed, expected, rtol=1e-5, atol=1e-5)


def test_sizes_that_do_not_fit_are_refused(load: Load) -> None:
    """What torch says of them is passed on."""
    with pytest.raises(LoadError, match=r"does not take inputs of sizes \[1, 7, 8, 8\]"):
        load("scripted.pt", hints=Hints(shapes={"image": (1, 7, 8, 8)}))


def test_module_that_takes_one_batch_says_so(load: Load) -> None:
    """The sizes are fixed, and a note tells why."""
    shapes = {"left": (1, 2, 2), "right": (1, 2, 2)}
    model = load("fixed.pt", hints=Hints(shapes=shapes))

    assert model.inputs[0].shape == (1, 2, 2)
    assert "batch size is fixed" in model.notes[0]


@pytest.mark.parametrize("name", ["weights.pt", "old.pth", "checkpoint.pt"])
def test_bare_weights_find_their_module(load: Load, draw: Draw, name: str) -> None:
    """Also in the old format, and in a checkpoint under the names of DataParallel."""
    known = load("network.pt2")
    model = load(name, trust_code=True, hints=Hints(FACTORY))
    feeds = draw(model, batch=2)

    np.testing.assert_allclose(
        outputs(model, feeds)[1], outputs(known, feeds)[0], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("extra.pt", "the module has no extra"),
        ("wide.pt", r"head.bias is \[9\] there and \[3\] in the module"),
        ("list.pt", "holds a list and no state_dict"),
    ],
)
def test_weights_that_do_not_fit_are_explained(load: Load, name: str, words: str) -> None:
    """Keys and sizes are compared before anything is copied."""
    with pytest.raises(LoadError, match=words):
        load(name, trust_code=True, hints=Hints(FACTORY))


def test_weights_that_are_missing_are_named(load: Load) -> None:
    """The first few by name, the others by number."""
    stranger = FACTORY.replace(":classifier", ":network")

    with pytest.raises(
        LoadError, match=r"it has no first\.weight, first\.bias; the module"
    ):
        load("weights.pt", trust_code=True, hints=Hints(stranger))


def test_weights_alone_ask_for_their_module(load: Load) -> None:
    """The message names the option."""
    with pytest.raises(UsageError, match="holds weights alone") as refusal:
        load("weights.pt")

    assert "--model file.py:factory" in refusal.value.hint


def test_module_of_weights_runs_only_when_trusted(load: Load) -> None:
    """The weights run nothing, the factory is code."""
    with pytest.raises(UsageError, match="is Python code"):
        load("weights.pt", hints=Hints(FACTORY))


def test_pickled_module_is_refused_by_its_class(load: Load) -> None:
    """The message says what to save instead."""
    with pytest.raises(
        LoadError, match=r"a pickle of Python objects \(.*Network"
    ) as refusal:
        load("whole.pt", trust_code=True)

    assert "state_dict" in refusal.value.hint


def test_program_under_another_name_is_told(models: Path, tmp_path: Path) -> None:
    """A program of torch.export goes by .pt2."""
    copy = tmp_path / "program.pt"
    copy.write_bytes((models / "network.pt2").read_bytes())

    assert content_of(copy).kind is Kind.PROGRAM
    with pytest.raises(LoadError, match=r"is a program of torch\.export\.save"):
        pivot.load(str(copy), trust_code=False)


@pytest.mark.parametrize("content", [b"no model", b"PK\x03\x04 cut short"])
def test_file_that_torch_never_wrote_is_told(tmp_path: Path, content: bytes) -> None:
    """The message has its first bytes."""
    file = tmp_path / "stranger.pt"
    file.write_bytes(content)

    with pytest.raises(LoadError, match="is nothing that torch saves: it begins with"):
        pivot.load(str(file), trust_code=False)


class Opens:
    """Unpickles as a call that creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        """Return the call."""
        return open, (str(self.marker), "w")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.usefixtures("warm")
def test_code_in_a_pickle_never_runs(tmp_path: Path, *, zipped: bool) -> None:
    """The function that it names is told; the file it would create is not there."""
    import torch

    marker, hostile = tmp_path / "marker", tmp_path / "hostile.pt"
    content = io.BytesIO()
    torch.save(Opens(marker), content, _use_new_zipfile_serialization=zipped)
    hostile.write_bytes(content.getvalue())

    with pytest.raises(LoadError, match=r"a pickle of Python objects \(io.open\)"):
        pivot.load(str(hostile), trust_code=True)
    assert not marker.exists()


@pytest.mark.usefixtures("warm")
def test_code_beside_weights_never_runs(tmp_path: Path) -> None:
    """A plain pickle is nothing that torch saves, whatever it holds."""
    marker, hostile = tmp_path / "marker", tmp_path / "hostile.pth"
    hostile.write_bytes(pickle.dumps(Opens(marker)))

    with pytest.raises(LoadError, match="is nothing that torch saves"):
        pivot.load(str(hostile), trust_code=True)
    assert not marker.exists()


def test_torchscript_that_writes_on_load_is_refused(load: Load, models: Path) -> None:
    """TorchScript runs no Python, and can write files all the same."""
    marker = models / "marker"
    marker.unlink(missing_ok=True)

    with pytest.raises(LoadError, match="calls save, which opens files"):
        load("saver.pt", hints=Hints(shapes={"value": (1, 2)}))
    assert not marker.exists()


def test_torchscript_that_writes_is_no_blank(load: Load, models: Path) -> None:
    """Trusted, the same file does write: the test above tests something."""
    marker = models / "marker"
    marker.unlink(missing_ok=True)
    load("saver.pt", trust_code=True, hints=Hints(shapes={"value": (1, 2)}))

    assert marker.exists()
    marker.unlink()
