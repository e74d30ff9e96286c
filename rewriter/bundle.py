"""A reproduction of each root fault, ready for whoever maintains the converter."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analyzer.core.errors import ExportError, UsageError
from analyzer.core.graph import opsets
from analyzer.core.report import Report
from analyzer.core.types import (
    Finding,
    Pivot,
    TensorPair,
    TryVerdict,
)
from analyzer.diff import Analysis
from analyzer.reports.fix_report import NO_PAGE, Page
from analyzer.reports.json_report import tool_version
from analyzer.reports.numbers import counted, short
from analyzer.reports.templates import rendered
from analyzer.reports.terminal import layer
from analyzer.verdict import is_root
from rewriter.kept import bound
from rewriter.reproduction import (
    Reproduction,
    reproductions,
    write_reproduction,
)

SCHEMA = "pivotfix-bundle/1"
MARK = "bundle.json"
"""The file that tells a bundle from any other folder: only a bundle is ever replaced."""

HERE = Path(__file__).parent
UNSAID = "the file does not say"
NOT_CUT = (
    "The part that is wrong could not be cut out of the models as one piece; both files, "
    "named below by their digests, show it"
)


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """Where reproductions go, and what the rules know of their causes.

    Attributes:
        folder: Made by the run.
        pages: What each rule says of faults of its kind, by slug.
    """

    folder: Path
    pages: Mapping[str, Page] = field(default_factory=dict)


def check_bundle(bundle: Bundle, models: Iterable[str | Path], *, force: bool) -> None:
    """Refuse a folder that must not or cannot be written.

    Args:
        bundle: Names the folder.
        models: Files and folders that must not lie in it, nor be it.
        force: Whether a bundle that is there may be replaced.

    Raises:
        UsageError: It is there and no bundle, or not to be replaced, or has no parent, or
            something else lies in it or is to.
    """
    folder = bundle.folder
    if not folder.resolve().parent.is_dir():
        raise UsageError(
            f"the folder of the bundle {folder} does not exist",
            hint=f"mkdir -p {folder.parent}",
        )
    free = _is_free(folder)
    if not free and not (folder / MARK).is_file():
        raise UsageError(
            f"the bundle {folder} is there, and no bundle of an earlier run",
            hint="give --bundle the name of a folder that does not exist",
        )
    if any(_holds(folder, Path(path)) for path in models):
        raise UsageError(
            f"the bundle {folder} holds one of the models, or what else is written",
            hint="give --bundle another name",
        )
    if not free and not force:
        raise UsageError(
            f"the bundle {folder} exists",
            hint="give --bundle another name, or pass --force",
        )


def _holds(folder: Path, path: Path) -> bool:
    whole = path.resolve()
    return folder.resolve() in (whole, *whole.parents)


def _is_free(folder: Path) -> bool:
    """Return whether nothing is lost by a bundle in this place."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def write_bundle(bundle: Bundle, report: Report, analysis: Analysis) -> None:
    """Write a reproduction of each root fault.

    The folder is written beside its place and renamed into it; without a fault there is
    none.

    Args:
        bundle: Where it goes.
        report: What a run found, and did.
        analysis: Of the pair as it was loaded.

    Raises:
        ExportError: The disk refuses.
    """
    groups = tuple(_root_faults(report.findings))
    if not groups:
        return
    place = bundle.folder.resolve()
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        part.mkdir()
        for number, group in enumerate(groups, 1):
            page = bundle.pages.get(group[0].rule, NO_PAGE)
            name = f"{number:02}-{group[0].rule}"
            _write_fault(part / name, group, analysis, report, page)
        (part / MARK).write_text(_contents(groups, report), encoding="utf-8")
        _replace(part, place)
    except OSError as surprise:
        raise ExportError(
            f"the bundle {bundle.folder} cannot be written ({surprise.strerror})",
            hint="give --bundle a folder that can be written and has room",
        ) from surprise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _replace(part: Path, place: Path) -> None:
    """Put a finished folder in its place; an old bundle goes when the new one stands.

    Raises:
        ExportError: Since the run began, something else was put there.
    """
    if not _is_free(place) and not (place / MARK).is_file():
        raise ExportError(
            f"the bundle {place} is a folder with other files by now",
            hint="give --bundle the name of a folder that does not exist",
        )
    old = place.with_name(f".{place.name}.{os.getpid()}.old")
    if place.exists():
        place.rename(old)
    part.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _root_faults(findings: Sequence[Finding]) -> Iterator[tuple[Finding, ...]]:
    """Yield the findings of each faulty region of the conversion, the worst first."""
    groups: dict[object, list[Finding]] = {}
    for one in findings:
        if is_root(one):
            region = one.fault.whole.target
            groups.setdefault(region.outputs or one.id, []).append(one)
    yield from map(tuple, groups.values())


def _contents(groups: Sequence[tuple[Finding, ...]], report: Report) -> str:
    faults = [
        {"folder": f"{number:02}-{group[0].rule}", "findings": [one.id for one in group]}
        for number, group in enumerate(groups, 1)
    ]
    models = {"source": report.source.path, "target": report.target.path}
    return json.dumps({"schema": SCHEMA, **models, "faults": faults}, indent=1) + "\n"


def _write_fault(
    folder: Path,
    group: Sequence[Finding],
    analysis: Analysis,
    report: Report,
    page: Page,
) -> None:
    """Write the folder of one fault: both sides, the script and the text."""
    folder.mkdir()
    fault = group[0].fault.whole
    both = analysis.source, analysis.target
    sides = reproductions(both, fault, analysis.probes[0])
    if sides is not None:
        tolerance = repr(float(bound(fault)))
        for name, one in zip(("source", "target"), sides, strict=True):
            write_reproduction(one, folder / name)
        script = rendered(HERE / "replay.py.j2", tolerance=tolerance)
        (folder / "replay.py").write_text(script, encoding="utf-8")
    text = _issue(group, both, report, page, sides)
    (folder / "issue.md").write_text(text, encoding="utf-8")


def _issue(
    group: Sequence[Finding],
    both: tuple[Pivot, Pivot],
    report: Report,
    page: Page,
    sides: tuple[Reproduction, Reproduction] | None,
) -> str:
    """Return the text of an issue, in the words and numbers of this run."""
    first = group[0]
    converted = f"{both[0].framework} to {both[1].framework}"
    return rendered(
        HERE / "issue.md.j2",
        title=f"{converted}: {first.rule.replace('-', ' ')} at {_plain(layer(first))}",
        messages=[_plain(one.message) for one in group],
        cause=page.cause,
        prevention=page.prevention,
        references=page.references,
        sides=None if sides is None else _sides(sides, first),
        no_model=NOT_CUT,
        source=_side(both[0], first.native_source, first.source_nodes),
        target=_side(both[1], first.native_target, first.target_nodes),
        cure=_cure(group),
        versions=[("pivotfix", tool_version()), *report.versions.items()],
    )


def _sides(sides: tuple[Reproduction, Reproduction], finding: Finding) -> dict[str, object]:
    source, target = sides
    fault = finding.fault.whole
    edges = (("input", fault.edges), ("output", fault.results))
    return {
        "source": counted(len(source.model.graph.node), "node"),
        "target": counted(len(target.model.graph.node), "node"),
        "tolerance": short(bound(fault)),
        "source_error": short(source.error),
        "target_error": short(target.error),
        "layouts": [_layout(kind, pair) for kind, pairs in edges for pair in pairs],
    }


def _layout(kind: str, pair: TensorPair) -> str:
    """Return which tensor of the target is which of the source, in which layout."""
    same = f"{kind} `{_plain(pair.target)}` of the target is `{_plain(pair.source)}`"
    turned = "" if pair.permutation is None else f", transposed by {list(pair.permutation)}"
    shape = "" if pair.shape is None else f", then of shape {list(pair.shape)}"
    return f"{same} of the source{turned}{shape}"


def _side(pivot: Pivot, native: str | None, nodes: Sequence[str]) -> dict[str, object]:
    """Return what the text says of one model."""
    model = pivot.model
    producer = f"{model.producer_name} {model.producer_version}".strip()
    own = pivot.framework == "onnx" and producer
    return {
        "name": _plain(pivot.path.name),
        "framework": pivot.framework,
        "producer": _plain(producer) if own else UNSAID,
        "opset": opsets(model).get("", UNSAID),
        "layer": f"`{_plain(native)}`" if native else UNSAID,
        "nodes": ", ".join(f"`{_plain(name)}`" for name in nodes) or "none",
        "sha256": pivot.sha256,
    }


def _cure(group: Sequence[Finding]) -> dict[str, str] | None:
    """Return the fix that a repair kept."""
    for one in group:
        kept = one.outcome is not None and one.outcome.verdict is TryVerdict.KEPT
        if kept and one.fix is not None and one.outcome is not None:
            errors = one.outcome.error_before, one.outcome.error_after
            before, after = map(short, errors)
            return {"title": _plain(one.fix.title), "before": before, "after": after}
    return None


def _plain(text: str) -> str:
    """Return a text that does not end a cell or a span of code."""
    return text.replace("|", "\\|").replace("`", "'").replace("\n", " ")
