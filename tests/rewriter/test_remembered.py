"""Edited models and native answers, each computed once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import parser

from analyzer.core.types import Feeds
from analyzer.pivot import load
from rewriter.remembered import answering, remembering


def test_a_sample_runs_once_and_another_one_again(tmp_path: Path) -> None:
    """The same numbers are the same sample, in whatever array they come."""
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]>
        net (float[1,4] x) => (float[1,4] y) { y = Neg(x) }""")
    onnx.save(model, tmp_path / "net.onnx")
    pivot = load(str(tmp_path / "net.onnx"), trust_code=False)
    asked: list[Feeds] = []

    def run(feeds: Feeds) -> Feeds:
        asked.append(feeds)
        return pivot.run_native(feeds)

    watched = remembering(replace(pivot, run_native=run))
    samples = [np.full((1, 4), value, np.float32) for value in (1, 2, 1)]
    given = [watched.run_native({"x": sample})["y"] for sample in samples]

    assert [value.ravel()[0] for value in given] == [-1, -2, -1]
    assert len(asked) == 2


def test_an_edited_model_knows_what_was_asked_of_it_before() -> None:
    """Each time its edits are asked for, it is another pivot of the same proto."""
    one, other = onnx.ModelProto(), onnx.ModelProto()
    asked: list[Feeds] = []

    def run(feeds: Feeds) -> Feeds:
        asked.append(feeds)
        return feeds

    sample = {"x": np.ones((1, 4), np.float32)}
    for model in (one, one, other):
        answering(model, run)(sample)

    assert len(asked) == 2
