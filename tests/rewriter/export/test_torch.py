"""Torch models mended in the user's own form, and run by torch as the right one is."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.errors import LoadError
from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.core.types import Array
from analyzer.frontends.child.client import WarmChildren
from analyzer.frontends.hints import Hints
from rewriter.repair import repair
from rules.discovery import all_rules

HERE = Path(__file__).resolve().parent
NETWORKS = HERE / "torch_networks.py"

CLOSE = 1e-5
"""Difference of logits: the same operators in the same order, on other memory at most."""

Run = Callable[..., Array]
Mend = Callable[..., Path]


@pytest.fixture(scope="session")
def models(build: Callable[..., Path]) -> Path:
    """A folder of the network with each fault, in every form."""
    return build(HERE / "build_torch.py")


@pytest.fixture(scope="session")
def run(warm: WarmChildren) -> Run:
    """Run a file in torch on three seeded images, and give its first output."""
    assert warm is not None
    images = np.random.default_rng(1).normal(size=(3, 3, 16, 16)).astype(np.float32)

    def native(path: Path | str, *, model: str = "") -> Array:
        loaded = pivot.load(str(path), trust_code=True, hints=Hints(model))
        return next(iter(loaded.run_native({loaded.inputs[0].name: images}).values()))

    return native


@pytest.fixture(scope="session")
def right(run: Run, models: Path) -> Array:
    """What the right network gives."""
    return run(models / "right.pt2")


@pytest.fixture
def mend(models: Path, warm: WarmChildren, tmp_path: Path) -> Mend:
    """Repair a target against the right network, as a user would."""
    assert warm is not None

    def mended(
        target: Path | str, out: str, *, source: str = "right.pt2", model: str = ""
    ) -> Path:
        options = Options(samples=3, trust_code=True, model=model)
        report = repair(
            str(models / source),
            str(target),
            tmp_path / out,
            options=options,
            rules=all_rules(),
        )
        assert report.verdict is Verdict.REPAIRED
        assert report.written is not None
        assert report.written.way == "in place"
        return tmp_path / out

    return mended


def ends(path: Path) -> tuple[list[str], list[str]]:
    """Return the names of a program's inputs and outputs."""
    loaded = pivot.load(str(path), trust_code=False)
    return [one.name for one in loaded.inputs], [one.name for one in loaded.outputs]


@pytest.mark.parametrize(
    "fault",
    [
        "weight",
        "bias",
        "statistic",
        "padding",
        "stride",
        "dilation",
        "epsilon",
        "missing",
        "extra",
        "other",
        "approximate",
        "turned",
        "swapped",
        "uneven",
        "core",
    ],
)
def test_program_is_mended_in_place(
    fault: str, models: Path, mend: Mend, run: Run, right: Array
) -> None:
    """A program with the fault gives what the right one gives, under its own names."""
    assert not np.allclose(run(models / f"{fault}.pt2"), right, atol=1e-4)

    out = mend(models / f"{fault}.pt2", "out.pt2")

    np.testing.assert_allclose(run(out), right, atol=CLOSE)
    assert ends(out) == ends(models / f"{fault}.pt2")


def test_source_may_be_onnx(models: Path, mend: Mend, run: Run, right: Array) -> None:
    """A program is mended against the ONNX file of the right network."""
    out = mend(models / "weight.pt2", "out.pt2", source="right.onnx")

    np.testing.assert_allclose(run(out), right, atol=CLOSE)


def test_what_is_saved_beside_a_program_stays(models: Path, mend: Mend) -> None:
    """Files that a user saved in the archive are in the mended one, which hardly grows."""
    out = mend(models / "bias.pt2", "out.pt2")

    with ZipFile(out) as archive:
        name = next(one for one in archive.namelist() if one.endswith("labels.txt"))
        assert archive.read(name) == b"cat\ndog\n"
    size = (models / "bias.pt2").stat().st_size
    assert abs(out.stat().st_size - size) < 0.01 * size


def test_weights_of_torchscript_are_mended(
    models: Path, mend: Mend, run: Run, right: Array
) -> None:
    """A TorchScript archive gets its weight back."""
    out = mend(models / "weight.pt", "out.pt")

    np.testing.assert_allclose(run(out), right, atol=CLOSE)


@pytest.mark.parametrize("form", ["pt2", "pt", "pth"])
def test_weight_of_two_layers_is_mended_in_both(
    form: str, models: Path, mend: Mend, run: Run
) -> None:
    """A tensor that two layers share is written once for both of its names."""
    model = f"{NETWORKS}:tied" if form == "pth" else ""

    out = mend(
        models / f"tied_scaled.{form}", f"out.{form}", source="tied.pt2", model=model
    )

    np.testing.assert_allclose(run(out, model=model), run(models / "tied.pt2"), atol=CLOSE)


def test_outputs_that_are_exchanged_are_given_in_order(
    models: Path, mend: Mend, run: Run
) -> None:
    """A program that gives its two heads in the other order gives them rightly."""
    out = mend(models / "heads_turned.pt2", "out.pt2", source="heads.pt2")

    np.testing.assert_allclose(run(out), run(models / "heads.pt2"), atol=CLOSE)
    assert ends(out) == ends(models / "heads.pt2")


def test_weight_of_two_layers_is_not_written_for_one(
    models: Path, warm: WarmChildren, tmp_path: Path, run: Run
) -> None:
    """Where one layer is to keep the shared tensor, the file is exported anew."""
    assert warm is not None
    both = str(models / "apart.pt2"), str(models / "tied.pt2")

    report = repair(*both, tmp_path / "out.pt2", rules=all_rules())

    assert report.verdict is Verdict.REPAIRED
    assert report.written is not None
    assert report.written.way == "exported anew"
    assert "is also read by linear, which keeps it" in report.written.changed[0]
    np.testing.assert_allclose(
        run(tmp_path / "out.pt2"), run(models / "apart.pt2"), atol=CLOSE
    )


def test_program_with_code_is_mended_where_it_is_trusted(
    models: Path, mend: Mend, run: Run, right: Array, tmp_path: Path
) -> None:
    """What the user trusts as it is read is trusted as it is written."""
    odd = tmp_path / "odd.pt2"
    with ZipFile(models / "weight.pt2") as own, ZipFile(odd, "w") as made:
        for name in own.namelist():
            content = own.read(name)
            if name.endswith("models/model.json"):
                said = json.loads(content) | {
                    "guards_code": ["__import__('os') is not None"]
                }
                content = json.dumps(said).encode()
            made.writestr(name, content)

    with pytest.raises(LoadError, match="holds code"):
        pivot.load(str(odd), trust_code=False)
    np.testing.assert_allclose(run(mend(odd, "out.pt2")), right, atol=CLOSE)


def test_torchscript_is_scripted_anew(
    models: Path, warm: WarmChildren, tmp_path: Path, run: Run, right: Array
) -> None:
    """A padding stands in compiled code: the reason is told, and the code is made anew."""
    assert warm is not None
    both, out = (str(models / "right.pt2"), str(models / "padding.pt")), tmp_path / "out.pt"

    report = repair(*both, out, rules=all_rules())

    assert report.verdict is Verdict.REPAIRED
    assert report.written is not None
    assert report.written.way == "exported anew"
    assert (
        "Conv) cannot go into a TorchScript file: its pads stands in"
        in (report.written.changed[0])
    )
    np.testing.assert_allclose(run(out), right, atol=CLOSE)


def test_weights_go_into_the_file_of_weights(
    models: Path, mend: Mend, run: Run, right: Array
) -> None:
    """A checkpoint gets its weight back, and no script is needed."""
    model = f"{NETWORKS}:weight"

    out = mend(models / "weight.pth", "out.pth", model=model)

    np.testing.assert_allclose(run(out, model=f"{NETWORKS}:right"), right, atol=CLOSE)
    assert not out.with_name("out_patch.py").exists()


def test_script_says_what_weights_cannot(
    models: Path, mend: Mend, run: Run, right: Array
) -> None:
    """A padding goes into a script that mends the module, which the weights then fit."""
    out = mend(models / "padding.pth", "out.pth", model=f"{NETWORKS}:padding")
    script = out.with_name("out_patch.py")

    assert "module.get_submodule('depthwise').padding = (1, 1)" in script.read_text()
    np.testing.assert_allclose(run(out, model=f"{script}:factory"), right, atol=CLOSE)


def test_line_is_named_that_no_script_can_change(
    models: Path, warm: WarmChildren, tmp_path: Path
) -> None:
    """Operands that the user's own code swaps are told with its line."""
    assert warm is not None
    both = str(models / "right.pt2"), str(models / "swapped.pth")
    options = Options(trust_code=True, model=f"{NETWORKS}:swapped")

    report = repair(*both, tmp_path / "out.pth", options=options, rules=all_rules())

    assert report.verdict is Verdict.IMPROVED
    assert re.search(r"what sub \(torch_networks.py:\d+\) reads", report.ended)
    assert not (tmp_path / "out.pth").exists()


@pytest.mark.parametrize("fault", ["weight", "missing"])
def test_module_becomes_a_program_and_a_script(
    fault: str, mend: Mend, run: Run, right: Array
) -> None:
    """A module's mended program and the module that its script mends are both right."""
    out = mend(f"{NETWORKS}:{fault}", "out.pt2")

    np.testing.assert_allclose(run(out), right, atol=CLOSE)
    script = f"{out.with_name('out_patch.py')}:factory"
    np.testing.assert_allclose(run(script), right, atol=CLOSE)


def test_report_tells_of_the_script(
    models: Path, warm: WarmChildren, tmp_path: Path
) -> None:
    """What an exporter notes of the file it wrote is told with the file."""
    assert warm is not None
    both = str(models / "right.pt2"), f"{NETWORKS}:weight"
    options = Options(samples=3, trust_code=True)

    report = repair(*both, tmp_path / "out.pt2", options=options, rules=all_rules())

    assert report.written is not None
    assert "The script beside it changes the module itself." in report.written.changed
