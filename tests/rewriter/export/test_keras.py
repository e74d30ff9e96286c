"""A repaired Keras model is the user's own file: the fault is gone, and all else stays."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import h5py
import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.errors import ExportError
from analyzer.core.graph import nodes
from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.core.types import InsertNode, Pivot, SetAttribute, SetConstant
from analyzer.frontends.child.client import WarmChildren
from rewriter import surgeon
from rewriter.export import keras
from rewriter.repair import repair
from rules.discovery import ours

HERE = Path(__file__).resolve().parent
FEW = Options(samples=4)
CLOSE = 1e-6
"""Difference of probabilities that one network shows in Keras, run twice."""

BY_VALUE = ("weight", "bias", "variance")
BY_OPTION = {
    "padding": ("depthwise", "padding"),
    "stride": ("stem", "strides"),
    "dilation": ("wide", "dilation_rate"),
    "epsilon": ("norm", "epsilon"),
    "ceiling": ("relu", "max_value"),
    "missing_activation": ("pointwise", "activation"),
    "extra_activation": ("wide", "activation"),
    "wrong_activation": ("pointwise", "activation"),
}
BY_ORDER = (("right", "turned"), ("turned", "right"), ("turned", "turned_further"))
BY_LAYER = ("missing_layer", "missing_convolution", "extra_layer", "extra_norm")

Listed = list[tuple[str, str, dict[str, object]]]


@pytest.fixture(scope="module")
def built(build: Callable[..., Path]) -> Path:
    """A folder with the right network and the faulty ones."""
    return build(HERE / "build_keras_faults.py")


@pytest.fixture(scope="module", autouse=True)
def children(warm: WarmChildren) -> WarmChildren:
    """Let all tests share one Keras."""
    return warm


def listed(path: Path) -> Listed:
    """Return the class, the name and the options of each layer of a file."""
    if path.suffix == ".keras":
        with ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    else:
        with h5py.File(path) as file:
            config = json.loads(file.attrs["model_config"])
    return [
        (entry["class_name"], entry["config"]["name"], entry["config"])
        for entry in config["config"]["layers"]
    ]


def natively(path: Path) -> np.ndarray:
    """Return what Keras makes of one seeded image."""
    loaded = pivot.load(str(path), trust_code=False)
    image = np.random.default_rng(7).normal(size=(1, 16, 16, 3)).astype(np.float32)
    return next(iter(loaded.run_native({loaded.inputs[0].name: image}).values()))


def mended(
    built: Path, fault: str, suffix: str, folder: Path, right_one: str = "right"
) -> tuple[Path, Path]:
    """Return a faulty file and its repaired copy, which computes what the right one does.

    An archive's source is the right archive, an ``.h5`` file's the right ONNX model.
    """
    target, out = built / f"{fault}{suffix}", folder / f"out{suffix}"
    as_onnx = suffix != ".keras" and right_one == "right"
    source = built / f"{right_one}{'.onnx' if as_onnx else '.keras'}"
    told = repair(str(source), str(target), out, options=FEW, rules=ours())
    assert told.verdict is Verdict.REPAIRED
    right = natively(built / f"{right_one}.keras")
    assert not np.allclose(natively(target), right, atol=CLOSE)
    np.testing.assert_allclose(natively(out), right, atol=CLOSE)
    return target, out


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("fault", BY_VALUE)
def test_wrong_value_is_written_into_its_place(
    built: Path, fault: str, suffix: str, tmp_path: Path
) -> None:
    """The configuration and the file's size stay as they are."""
    target, out = mended(built, fault, suffix, tmp_path)

    assert listed(out) == listed(target)
    assert out.stat().st_size == target.stat().st_size


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("fault", BY_OPTION)
def test_wrong_option_is_set_in_its_layer(
    built: Path, fault: str, suffix: str, tmp_path: Path
) -> None:
    """No other option of any layer changes, and the weights stay."""
    target, out = mended(built, fault, suffix, tmp_path)

    changed = {
        (name, option)
        for (_, name, after), (_, _, before) in zip(
            listed(out), listed(target), strict=True
        )
        for option in after
        if after[option] != before[option]
    }
    assert changed == {BY_OPTION[fault]}
    assert out.stat().st_size == pytest.approx(target.stat().st_size, rel=0.01)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("fault", BY_LAYER)
def test_layer_comes_or_goes(built: Path, fault: str, suffix: str, tmp_path: Path) -> None:
    """Every other layer keeps its name, its options and its weights."""
    target, out = mended(built, fault, suffix, tmp_path)

    before, after = (
        {name: options for _, name, options in listed(path)} for path in (target, out)
    )
    both = before.keys() & after.keys()
    assert all(before[name] == after[name] for name in both)
    assert abs(len(before) - len(after)) <= 1
    assert len(both) == min(len(before), len(after))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(("right_one", "fault"), BY_ORDER)
def test_order_of_axes_is_a_permute_layer(
    built: Path, right_one: str, fault: str, suffix: str, tmp_path: Path
) -> None:
    """The layer that was too much goes, the missing one comes, the wrong one is told."""
    _, out = mended(built, fault, suffix, tmp_path, right_one)

    orders = [
        [options["dims"] for kind, _, options in listed(path) if kind == "Permute"]
        for path in (out, built / f"{right_one}.keras")
    ]
    assert orders[0] == orders[1]


@pytest.fixture(scope="module")
def target(built: Path) -> Pivot:
    """The right network, imported."""
    return pivot.load(str(built / "right.keras"), trust_code=False)


def written(target: Pivot, folder: Path, *edits: object) -> Path:
    """Write a network with edits, which runs in Keras as the edited pivot does."""
    edited = surgeon.apply(target.model, target.folder, edits)
    out = folder / "out.keras"
    keras.write(target, edited, out)
    return out


def node_of(target: Pivot, op: str, layer: str) -> str:
    """Return the name of a layer's node of an operator type."""
    known = nodes(target.model, target.folder)
    return next(
        one.name
        for one in known
        if one.op == op and target.layers[one.outputs[0]].name == layer
    )


def test_padding_without_a_name_gets_a_layer(target: Pivot, tmp_path: Path) -> None:
    """Zeros that neither word says are put by a ZeroPadding2D in front."""
    name = node_of(target, "Conv", "stem")

    out = written(target, tmp_path, SetAttribute(name, "pads", (1, 1, 0, 0)))

    kind, _, options = listed(out)[1]
    assert kind == "ZeroPadding2D"
    assert options["padding"] == [[1, 0], [1, 0]]
    assert listed(out)[2][2]["padding"] == "valid"


def test_bias_that_was_missing_is_added(target: Pivot, tmp_path: Path) -> None:
    """A layer without a bias gets one, and says so."""
    stem = next(
        one
        for one in nodes(target.model, target.folder)
        if one.name == node_of(target, "Conv", "stem")
    )

    out = written(target, tmp_path, SetConstant(stem.name, 2, np.ones(8, np.float32)))

    assert listed(out)[1][2]["use_bias"] is True
    loaded = pivot.load(str(out), trust_code=False)
    assert loaded.refusal is None


def test_weight_that_is_not_what_was_imported_is_refused(
    target: Pivot, tmp_path: Path
) -> None:
    """Where no weight of the file holds the imported value, nothing is written."""
    name = node_of(target, "Conv", "stem")
    stem = next(one for one in nodes(target.model, target.folder) if one.name == name)
    other = surgeon.apply(
        target.model, target.folder, (SetConstant(name, 1, stem.constants[1] + 1),)
    )
    imported = replace(target, model=other)

    with pytest.raises(ExportError, match="no weight of layer stem holds what input 1"):
        keras.write(imported, target.model, tmp_path / "out.keras")

    assert not list(tmp_path.iterdir())


def test_operator_that_keras_lacks_is_refused_by_name(
    target: Pivot, tmp_path: Path
) -> None:
    """The refusal names the operator and offers ONNX."""
    tensor = next(
        one.outputs[0]
        for one in nodes(target.model, target.folder)
        if one.name == node_of(target, "Conv", "stem")
    )

    with pytest.raises(ExportError, match="LRN") as refusal:
        written(target, tmp_path, InsertNode(tensor, "LRN", {"size": 3}, {}))

    assert ".onnx" in refusal.value.hint


@pytest.mark.parametrize("form", ["keras", "h5"])
def test_branches_are_joined_in_the_source_s_order(
    built: Path, tmp_path: Path, form: str
) -> None:
    """Two branches that change places take their weights with them."""
    source, target, out = built / f"joined.{form}", built / f"crossed.{form}", tmp_path
    report = repair(
        str(source), str(target), out / f"out.{form}", options=FEW, rules=ours()
    )

    assert report.verdict is Verdict.REPAIRED, report.ended
    assert report.written is not None
    assert report.written.way == "in place"
    loaded = [
        pivot.load(str(one), trust_code=False) for one in (source, out / f"out.{form}")
    ]
    image = np.random.default_rng(7).normal(size=(2, 16, 16, 3)).astype(np.float32)
    given = [
        next(iter(one.run_native({one.inputs[0].name: image}).values())) for one in loaded
    ]
    np.testing.assert_allclose(*given, atol=CLOSE)
