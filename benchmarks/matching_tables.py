"""The tables of the matching benchmark, printed and as values."""

from collections import defaultdict
from collections.abc import Sequence

from zoo import FULL

Row = dict[str, object]
LARGE = frozenset(source.name for source in FULL)
NAMES = {0: "healthy", -1: "first layer"}
HEAD = f"{'':32}{'pairs':>7}{'true':>8}{'false':>7}{'precision':>11}{'coverage':>10}"


def show(part: str, rows: Sequence[Row]) -> Row:
    """Print the table of one part, and return it with every miss.

    Args:
        part: ``pairs`` or ``evidence``.
        rows: What was measured.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in (row for row in rows if "true" in row):
        groups[_label(row)].append(row)
        if part == "pairs" and _label(row) == NAMES[0]:
            groups[f"  {row['told']}"].append(row)
    print(f"\n{part}\n{HEAD}")
    table = {name: summary(group) for name, group in groups.items()}
    for name, one in table.items():
        print(
            f"{name:32}{one['pairs']:>7}{one['true']:>8}{one['false']:>7}"
            f"{one['precision']:>11.4f}{one['coverage']:>10.4f}"
        )
    out = [row for row in rows if "left out" in row]
    crashed = [row for row in rows if "crash" in row]
    print(f"left out for want of a place: {len(out)}; crashed: {len(crashed)}")
    misses = [row for row in rows if row.get("false") or row.get("missed")]
    return {"table": table, "misses": misses, "left out": len(out), "crashed": crashed}


def _label(row: Row) -> str:
    faults = NAMES.get(int(str(row["faults"])), f"{row['faults']} faults")
    faults = f"full size, {faults}" if row["source"] in LARGE else faults
    return f"no {row['without']}, {faults}" if row["without"] else faults


def told(row: Row) -> None:
    """Print a row that is not as it should be, as soon as it is known."""
    where = f"{row['source']} {row['right']}, {_label(row)}, seed {row['seed']}"
    if row.get("false") or row.get("missed"):
        print(f"{where}: false {row['wrong']}, missed {row['missed']}", flush=True)
    if "crash" in row:
        print(f"{where}: {row['crash']}", flush=True)


def summary(rows: Sequence[Row]) -> Row:
    """Return precision of tensor pairs and coverage of macro nodes over rows.

    Coverage counts the macro nodes that are paired among those with a true counterpart.
    """
    true, false = (sum(int(str(row[key])) for row in rows) for key in ("true", "false"))
    paired = sum(int(str(row["macro pairs"])) for row in rows)
    missed = sum(len(list(row["missed"])) for row in rows)  # type: ignore[call-overload]
    return {
        "pairs": len(rows), "true": true, "false": false,
        "unknown": sum(int(str(row["unknown"])) for row in rows),
        "precision": true / max(1, true + false),
        "coverage": paired / max(1, paired + missed),
        "alone": sum(int(str(row["alone"])) for row in rows),
    }  # fmt: skip
