"""A frozen graph and a SavedModel are mended in their own file, and run in TensorFlow."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from analyzer.core.report import Verdict
from rewriter.repair import repair

pytestmark = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason="needs the extra tensorflow"
)

BUILD = Path(__file__).resolve().parent / "build_broken_graphs.py"


@pytest.fixture(scope="module")
def broken(build: Callable[..., Path]) -> Path:
    """The folder with the healthy network and the broken ones."""
    return build(BUILD)


def stated(changed: tuple[str, ...]) -> list[str]:
    """Return what a file states otherwise, its size apart."""
    own = [one for one in changed if one.startswith("its ")]
    return [one for one in own if "size" not in one]


@pytest.mark.parametrize(
    "name",
    [
        "weight.pb",
        "bias.pb",
        "padding.pb",
        "missing.pb",
        "wrong.pb",
        "extra.pb",
        "epsilon.pb",
        "window.pb",
        "weight",
        "padding",
        "missing",
        "extra",
        "epsilon",
    ],
)
@pytest.mark.usefixtures("warm")
def test_fault_is_mended_in_the_file_itself(
    broken: Path, tmp_path: Path, name: str
) -> None:
    """What was written is a file of the same form that computes what Keras computes."""
    out = tmp_path / name
    report = repair(str(broken / "right.keras"), str(broken / name), out)

    assert report.verdict is Verdict.REPAIRED, report.ended
    assert report.written is not None
    assert report.written.way == "in place"
    assert stated(report.written.changed) == []
    assert out.is_dir() if (broken / name).is_dir() else out.is_file()


@pytest.mark.usefixtures("warm")
def test_output_is_fetched_by_the_name_it_had(broken: Path, tmp_path: Path) -> None:
    """An activation that is put in behind the last operator gives the output's tensor."""
    out = tmp_path / "out.pb"
    report = repair(str(broken / "active.pb"), str(broken / "bare.pb"), out)

    assert report.verdict is Verdict.REPAIRED, report.ended
    assert report.written is not None
    assert report.written.way == "in place"
    assert stated(report.written.changed) == []


@pytest.mark.parametrize("suffix", ["", ".pb"])
@pytest.mark.usefixtures("warm")
def test_bias_is_put_in_where_there_is_none(
    broken: Path, tmp_path: Path, suffix: str
) -> None:
    """A convolution that lost its bias gets an addition along its own channels."""
    both = broken / f"biased{suffix}", broken / f"plain{suffix}"
    report = repair(str(both[0]), str(both[1]), tmp_path / f"out{suffix}")

    assert report.verdict is Verdict.REPAIRED, report.ended
    assert report.written is not None
    assert report.written.way == "in place"


@pytest.mark.parametrize(
    ("source", "way", "told"),
    [
        ("flat_twice", "in place", ""),
        ("steep_flat", "exported anew", "is called 2 times"),
    ],
)
@pytest.mark.usefixtures("warm")
def test_function_that_is_called_twice_is_changed_for_both(
    broken: Path, tmp_path: Path, source: str, way: str, told: str
) -> None:
    """One call alone is not mended in the function that another call keeps as it is."""
    both = str(broken / source), str(broken / "steep_twice")
    report = repair(*both, tmp_path / "out")

    assert report.verdict is Verdict.REPAIRED, report.ended
    assert report.written is not None
    assert report.written.way == way
    assert told in " ".join(report.written.changed)


@pytest.mark.parametrize(
    ("source", "way", "told"),
    [
        ("second_held.pb", "in place", ""),
        ("both_held.pb", "exported anew", "reads Const too, and keeps it"),
    ],
)
@pytest.mark.usefixtures("warm")
def test_constant_of_two_operators_is_changed_for_both(
    broken: Path, tmp_path: Path, source: str, way: str, told: str
) -> None:
    """A constant is not changed for one operator where another reads it and keeps it."""
    both = str(broken / source), str(broken / "first_held.pb")
    report = repair(*both, tmp_path / "out.pb")

    assert report.verdict is Verdict.REPAIRED, report.ended
    assert report.written is not None
    assert report.written.way == way
    assert told in " ".join(report.written.changed)
