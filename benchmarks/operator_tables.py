"""How much of ONNX our operator tables compute: ``python benchmarks/operator_tables.py``.

ONNX brings a test for what its operators do: models of a node or a few, with inputs and the
outputs that they must give. Each lane computes them with its own table, and is judged by
ONNX's own comparison at ONNX's own tolerances. Prints the share passed and every failure by
operator, and writes them to ``results/operator_tables.json``.
"""

import argparse
import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

from analyzer.core.errors import ExportError

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"

LANES = {
    "tensorflow": "rewriter.export.tensorflow_graph.eager",
    "torch": "rewriter.export.torch_graph.eager",
}
"""The module of each table. It has ``computed(model, inputs)``, which returns the outputs
and raises `ExportError` where an operator lacks."""

OPSETS = range(13, 24)
"""The versions of ONNX's own operators that exports of today are written in."""

FAILURES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What a framework raises where an operator's function is wrong."""

Compute = Callable[[onnx.ModelProto, Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one test.

    Attributes:
        lane: The table.
        test: Its name.
        operators: Of its nodes, each once.
        current: Whether all are ONNX's own, of `OPSETS`.
        outcome: ``passed``, ``lacking`` or ``failed``.
        said: What was raised.
    """

    lane: str
    test: str
    operators: tuple[str, ...]
    current: bool
    outcome: str
    said: str


def cases(pattern: str = "") -> Iterator[TestCase]:
    """Yield ONNX's node tests.

    Args:
        pattern: A regular expression that their names match.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their references overflow on purpose
        known = load_model_tests(kind="node")
    yield from (one for one in known if re.search(pattern, one.name))


def row(lane: str, case: TestCase) -> Row:
    """Return what comes of a test.

    Args:
        lane: One of `LANES`.
        case: The test.
    """
    compute: Compute = import_module(LANES[lane]).computed
    versions = {one.domain: one.version for one in case.model.opset_import}
    current = set(versions) == {""} and versions[""] in OPSETS
    operators = tuple(sorted({_operator(node) for node in case.model.graph.node}))
    outcome, said = "passed", ""
    try:
        _run(compute, case)
    except ExportError as surprise:
        outcome, said = "lacking", surprise.problem
    except FAILURES as surprise:
        outcome, said = "failed", f"{type(surprise).__name__}: {surprise}"
    return Row(lane, case.name, operators, current, outcome, " ".join(said.split())[:200])


def _operator(node: onnx.NodeProto) -> str:
    return f"{node.domain}:{node.op_type}" if node.domain else node.op_type


def _run(compute: Compute, case: TestCase) -> None:
    """Raise where a test's outputs are not what they must be."""
    for inputs, outputs in case.data_sets:
        found = compute(case.model, inputs)
        wanted = [
            numpy_helper.to_array(one) if isinstance(one, TensorProto) else one
            for one in outputs
        ]
        pairs = [each for each in zip(wanted, found, strict=True) if each[0] is not None]
        Runner.assert_similar_outputs(
            [one for one, _ in pairs], [one for _, one in pairs], case.rtol, case.atol
        )


def told(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the shares passed, and the failures by operator.

    Args:
        rows: Of one lane.
    """
    known = [one for one in rows if one.outcome != "lacking"]
    current = [one for one in rows if one.current]
    wrong = [one for one in rows if one.outcome != "passed"]
    return {
        "all": _share(rows),
        f"opsets {OPSETS[0]} to {OPSETS[-1]}": _share(current),
        "of what the table has": _share(known),
        "failed by operators": _counted(wrong, "failed"),
        "lacking by operators": _counted(wrong, "lacking"),
        "misses": [asdict(one) for one in wrong],
    }


def _share(rows: Sequence[Row]) -> tuple[int, int]:
    return sum(one.outcome == "passed" for one in rows), len(rows)


def _counted(rows: Sequence[Row], outcome: str) -> dict[str, int]:
    named = [one for one in rows if one.outcome == outcome]
    return dict(Counter(_short(one) for one in named).most_common())


def _short(one: Row) -> str:
    spelled = re.match(r"test_(\w+)_expanded", one.test)
    return f"(spelled out) {spelled[1]}" if spelled else ", ".join(one.operators)


def show(lane: str, found: dict[str, Any]) -> None:
    """Print one lane.

    Args:
        lane: Its name.
        found: What `told` gave.
    """
    print(f"{lane}")
    for name, value in found.items():
        if isinstance(value, tuple):
            passed, count = value
            print(f"  {name}: {passed} of {count} ({passed / max(count, 1):.1%})")
        if isinstance(value, dict) and value:
            print(f"  {name}: " + ", ".join(f"{op} {n}" for op, n in value.items()))


def main() -> None:
    """Measure the lanes, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lanes", default=",".join(LANES))
    parser.add_argument("--only", default="", help="a regular expression of test names")
    chosen = parser.parse_args()
    tests, tables = tuple(cases(chosen.only)), {}
    for lane in chosen.lanes.split(","):
        tables[lane] = told([row(lane, case) for case in tests])
        show(lane, tables[lane])
    RESULTS.mkdir(exist_ok=True)
    written = json.dumps(tables, indent=1) + "\n"
    (RESULTS / "operator_tables.json").write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
