"""What is wrong before a mask is told, whatever numbers the mask writes."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Array
from analyzer.diff import diff
from rewriter.repair import repair
from rules.discovery import ours

FEW = Options(samples=4)
SMALLEST = float(np.finfo(np.float32).min)
SCORES = "t = Transpose <perm = [0,2,1]> (k) s = MatMul (q, t) "
HEAD = """<ir_version: 8, opset_import: ["" : 17]>
    net (float[N,4,6] x PLACES) => (float[N,4,6] y) {
        q = MatMul (x, wq) k = MatMul (x, wk) """


def attention(scaled: str, places: str = "") -> onnx.ModelProto:
    """Return attention whose scores are scaled and masked as told.

    Args:
        scaled: What makes ``m`` of ``s``.
        places: Further inputs.
    """
    text = HEAD.replace("PLACES", places)
    text += f"{SCORES} {scaled} p = Softmax <axis = -1> (m) y = MatMul (p, x) }}"
    model = onnx.parser.parse_model(text)
    rng = np.random.default_rng(0)
    for name in ("wq", "wk"):
        weight = rng.standard_normal((6, 6)).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(weight, name))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(2.5), "root"))
    return model


def masked(mask: Array, scaled: str = "d = Div (s, root)") -> onnx.ModelProto:
    """Return attention to which a mask of shape [4, 4] is added."""
    model = attention(f"{scaled} m = Add (d, mask)")
    model.graph.initializer.append(numpy_helper.from_array(mask, "mask"))
    return model


def causal(fill: float) -> Array:
    """Return a mask that hides what comes later."""
    return np.triu(np.full((4, 4), fill, np.float32), 1)


def of_several_fills() -> Array:
    """Return a mask of three numbers, as masks that were added up have."""
    mask = causal(-1e9)
    mask[0, 2:] *= 2
    mask[1, 3] *= 3
    return mask


def padded(scaled: str, fill: float) -> onnx.ModelProto:
    """Return attention whose mask is an input of zeros and ones."""
    hidden = "o = Sub (one, mask) f = Mul (o, fill) u = Unsqueeze (f, second)"
    model = attention(f"{hidden} {scaled} m = Add (d, u)", ", float[N,4] mask")
    for name, value in (("one", np.float32(1)), ("fill", np.float32(fill))):
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    second = numpy_helper.from_array(np.int64([1]), "second")
    model.graph.initializer.append(second)
    return model


def both(source: onnx.ModelProto, target: onnx.ModelProto, at: Path) -> tuple[str, str]:
    """Return where two models lie."""
    paths = at / "source.onnx", at / "target.onnx"
    onnx.save(source, paths[0])
    onnx.save(target, paths[1])
    return str(paths[0]), str(paths[1])


def mended(source: onnx.ModelProto, target: onnx.ModelProto, at: Path) -> Report:
    """Return the report of a repair with our rules."""
    return repair(*both(source, target, at), at / "out.onnx", options=FEW, rules=ours())


MASKS = pytest.mark.parametrize(
    "mask",
    [*map(causal, (-1e4, -1e6, -1e9, SMALLEST, -np.inf)), of_several_fills()],
    ids=["1e4", "1e6", "1e9", "min", "inf", "several"],
)


@MASKS
@pytest.mark.parametrize(
    ("scaled", "rule"),
    [
        ("d = Mul (s, root)", "operator-replaced"),
        ("d = Identity (s)", "operator-missing"),
        ("r = Add (root, root) d = Div (s, r)", "weight-differs"),
    ],
    ids=["multiplied", "unscaled", "twice"],
)
def test_wrong_scale_before_a_mask_is_named(
    mask: Array, scaled: str, rule: str, tmp_path: Path
) -> None:
    """The mask's own numbers do not drown what is wrong with the scores."""
    report = mended(masked(mask), masked(mask, scaled), tmp_path)

    assert (report.verdict, report.findings[0].rule) == (Verdict.REPAIRED, rule)


@MASKS
def test_other_spelling_before_a_mask_is_silent(mask: Array, tmp_path: Path) -> None:
    """Scaling the queries is scaling the scores, but for rounding."""
    scaled = masked(mask, "d = Identity (s)")
    weights = {one.name: one for one in scaled.graph.initializer}
    queries = numpy_helper.to_array(weights["wq"]) / np.float32(2.5)
    weights["wq"].CopyFrom(numpy_helper.from_array(queries, "wq"))
    report = diff(*both(masked(mask), scaled, tmp_path), options=FEW, rules=ours())

    assert (report.verdict, report.findings) == (Verdict.EQUIVALENT, ())


@pytest.mark.parametrize("fill", [-1e4, -1e9, SMALLEST])
def test_wrong_scale_before_a_mask_that_is_fed_is_named(
    fill: float, tmp_path: Path
) -> None:
    """A mask of zeros and ones is probed with these, and no rounding moves it."""
    right, wrong = (padded(f"d = {op} (s, root)", fill) for op in ("Div", "Mul"))
    report = mended(right, wrong, tmp_path)

    assert report.verdict is Verdict.REPAIRED
    assert [one.rule for one in report.findings] == ["operator-replaced"]


def test_opposite_sign_of_a_mask_is_another_operator(tmp_path: Path) -> None:
    """Sub for Add hides nothing; the operator is wrong, the mask is not."""
    right = masked(causal(-1e9))
    wrong = attention("d = Div (s, root) m = Sub (d, mask)")
    wrong.graph.initializer.append(numpy_helper.from_array(causal(-1e9), "mask"))
    report = mended(right, wrong, tmp_path)

    assert [one.rule for one in report.findings] == ["operator-replaced"]
