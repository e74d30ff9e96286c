"""The least integer divided by minus one ends no process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.core.errors import RunError
from analyzer.runtime.quotients import guarded
from analyzer.runtime.session import open_session

HEAD = '<ir_version: 8, opset_import: ["": 17]> g '
COMPUTED = HEAD + "(int64[2] a, int64[2] b) => (int64[2] y) { z = Neg(b) y = Div(a, z) }"
LEAST = np.iinfo(np.int64).min


def net(text: str, **weights: np.ndarray) -> onnx.ModelProto:
    """Return a model from text and constants."""
    model = parser.parse_model(text)
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in weights.items()
    )
    return model


@pytest.mark.parametrize(("op", "wanted"), [("Div", [LEAST, -3]), ("Mod", [0, -1])])
def test_quotient_without_a_representation_wraps(op: str, wanted: list[int]) -> None:
    """As the product with minus one does; every other quotient is what it was."""
    script = (
        "import sys, numpy as np; from pathlib import Path; from onnx import parser;"
        "from analyzer.runtime.session import open_session;"
        "session = open_session(parser.parse_model(sys.argv[1]), Path());"
        "a, b = np.array([np.iinfo(np.int64).min, 7]), np.array([1, 2]);"
        "print(session.run({'a': a, 'b': b})['y'].tolist())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, COMPUTED.replace("Div", op)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
        check=False,
    )

    assert (ran.returncode, ran.stdout.strip()) == (0, str(wanted))


def test_computed_zero_is_one_message() -> None:
    """The runtime itself looks for that one."""
    session = open_session(net(COMPUTED), Path())

    with pytest.raises(RunError, match="by zero"):
        session.run({"a": np.array([1, 2]), "b": np.array([0, 1])})


@pytest.mark.parametrize(
    "text",
    [
        "(float[2] x) => (float[2] y) { z = Exp(x) y = Div(x, z) }",
        "(int64[2] x) => (int64[2] y) { y = Div(x, two) }",
        "(float[2] x) => (float[2] y) { i = Shape(x) z = Cast<to = 1>(i) y = Div(x, z) }",
    ],
)
def test_what_cannot_trap_stays_as_it_is(text: str) -> None:
    """Floats, and divisors that are known."""
    model = net(HEAD + text, two=np.array([2]))

    assert guarded(model) is model


@pytest.mark.parametrize(
    "text",
    [
        "(float[2] x) => (y) { i = Cast<to = 7>(x) a = Abs(i) y = Div(a, i) }",
        "(float[2] x) => (y) { s = Shape(x) z = Sub(one, s) y = Mod(s, z) }",
        "(int32[2] x) => (y) { y = Div(x, less) }",
        "(float[2] x) => (y) { s = Shape(x) c = CastLike(x, s) y = Div(s, c) }",
    ],
)
def test_integers_are_told_by_what_they_come_from(text: str) -> None:
    """No type is declared between the nodes."""
    constants = {"one": np.array([1]), "less": np.array([-1], np.int32)}
    model = net(HEAD + text, **constants)

    assert len(guarded(model).graph.node) > len(model.graph.node)
