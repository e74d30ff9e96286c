"""A file counts as repaired where it computes what the repaired pivot computes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import pytest
from onnx import parser

from analyzer.core.report import Verdict
from analyzer.core.types import Pivot
from rewriter import proof
from rewriter.repair import repair
from rewriter.written import written


def network(slope: str) -> str:
    """Return two activations, the first with a slope."""
    nodes = f"a = LeakyRelu<alpha = {slope}>(x)  y = Elu(a)"
    ends = "(float[1,4] x) => (float[1,4] y)"
    return f'<ir_version: 8, opset_import: ["": 17]> net {ends} {{ {nodes} }}'


def test_file_that_was_not_told_all_of_a_repair_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an exporter left as it was is not written: the pivot is, and the reason told."""
    paths = [tmp_path / f"{slope}.onnx" for slope in (0.1, 0.4)]
    for path in paths:
        onnx.save(parser.parse_model(network(path.stem)), path)
    left = [True]

    @contextmanager
    def forgetful(
        target: Pivot, mended: Pivot, *more: object, **named: object
    ) -> Iterator[Pivot]:
        with written(target, mended, *more, **named) as proven:  # type: ignore[arg-type]
            yield target if left and left.pop() else proven

    monkeypatch.setattr(proof, "written", forgetful)
    report = repair(*map(str, paths), tmp_path / "mended.onnx")

    assert not left
    assert report.verdict is Verdict.IMPROVED
    assert "with the repair in it, output" in (report.ended or "")
    assert report.outputs[0].within
