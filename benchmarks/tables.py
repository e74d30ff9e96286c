"""The tables of the localization benchmark, printed and as JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

GOOD = ("exact", "region")
Row = dict[str, object]


def publish(rows: Sequence[Row], undone: int, path: Path) -> None:
    """Print every table and every miss, and write them.

    Args:
        rows: What was done.
        undone: Tasks that the time did not suffice for.
        path: Of the JSON file.
    """
    tables = {
        "healthy": healthy([row for row in rows if row["lane"] == "healthy"]),
        "rules": single([row for row in rows if row["lane"] == "rules"]),
        "blind": single([row for row in rows if row["lane"] == "blind"]),
        "rules-many": several([row for row in rows if row["lane"] == "rules-many"]),
        "blind-many": several([row for row in rows if row["lane"] == "blind-many"]),
        "undone": undone,
    }
    show(tables)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = json.dumps(tables, indent=1)
    path.write_text(told + "\n", encoding="utf-8")


def healthy(rows: Sequence[Row]) -> Row:
    """Return false alarms by conversion, and conversions that are wrong themselves."""
    right = [row for row in rows if row["healthy"]]
    kinds = Counter(conversion(row) for row in right)
    alarmed = Counter(conversion(row) for row in right if _alarms(row))
    unsure = Counter(conversion(row) for row in right if row["verdict"] != "equivalent")
    return {
        "pairs": len(right),
        "with false alarms": sum(alarmed.values()),
        "not called equivalent": sum(unsure.values()),
        "median seconds": median(row["seconds"] for row in rows),
        "by conversion": {
            kind: [count, alarmed[kind], unsure[kind]]
            for kind, count in sorted(kinds.items())
        },
        "finds": [
            [row["pair"], row["gap"], row["verdict"]] for row in rows if not row["healthy"]
        ],
        "misses": [row for row in right if _alarms(row) or row["verdict"] != "equivalent"],
    }


def _alarms(row: Row) -> bool:
    return any(one["status"] == "fault" for one in row["findings"])


def single(rows: Sequence[Row]) -> Row:
    """Return how often the top finding is the guilty node, by mutator."""
    judged = [row for row in rows if "discarded" not in row]
    names = sorted({row["mutators"][0] for row in rows if row["mutators"][0]})
    return {
        "faults": len(judged),
        **_grades(judged),
        "discarded": dict(Counter(row["discarded"] for row in rows if "discarded" in row)),
        "median seconds": median(row["seconds"] for row in judged),
        "by mutator": {
            name: {
                **_grades([row for row in judged if row["mutators"][0] == name]),
                "discarded": dict(
                    Counter(
                        row["discarded"]
                        for row in rows
                        if "discarded" in row and row["mutators"][0] == name
                    )
                ),
            }
            for name in names
        },
        "by source": {
            name: _grades([row for row in judged if row["pair"].startswith(f"{name}:")])
            for name in sorted({row["pair"].partition(":")[0] for row in judged})
        },
        "misses": [row for row in judged if row["grade"] not in GOOD],
    }


def _grades(rows: Sequence[Row]) -> Row:
    grades = Counter(row["grade"] for row in rows)
    good = sum(grades[grade] for grade in GOOD)
    return {"of": len(rows), "hit": good / len(rows) if rows else None, **dict(grades)}


def several(rows: Sequence[Row]) -> Row:
    """Return recall and precision on several faults at once."""
    judged = [row for row in rows if "discarded" not in row]
    found = [one for row in judged for one in row["found"]]
    true = [one for row in judged for one in row["true"]]
    missed: Counter[str] = Counter()
    for row in judged:
        missed.update(
            name for name, one in zip(row["mutators"], row["found"], strict=True) if not one
        )
    return {
        "pairs": len(judged),
        "faults": len(found),
        "recall": sum(found) / len(found) if found else None,
        "findings": len(true),
        "precision": sum(true) / len(true) if true else None,
        "discarded": dict(Counter(row["discarded"] for row in rows if "discarded" in row)),
        "missed by mutator": dict(missed.most_common()),
        "misses": [row for row in judged if not all(row["found"]) or not all(row["true"])],
    }


def show(tables: Row) -> None:
    """Print the tables, then one line for each miss."""
    told = tables["healthy"]
    print(
        f"healthy: {told['pairs']} pairs, {told['with false alarms']} with false alarms, "
        f"{told['not called equivalent']} not called equivalent; "
        f"{len(told['finds'])} conversions are wrong themselves"
    )
    for kind, (count, alarmed, unsure) in told["by conversion"].items():
        print(f"  {kind:28}{count:>5} pairs{alarmed:>5} alarmed{unsure:>5} not equivalent")
    for lane in ("rules", "blind"):
        _show_single(lane, tables[lane])
    for lane in ("rules-many", "blind-many"):
        told = tables[lane]
        print(
            f"{lane}: {told['pairs']} pairs, {told['faults']} faults, recall "
            f"{share(told['recall'])}; {told['findings']} findings, precision "
            f"{share(told['precision'])}; discarded {told['discarded']}"
        )
    for lane in ("healthy", "rules", "blind", "rules-many", "blind-many"):
        for row in tables[lane]["misses"]:
            print(_line(row))
    if tables["undone"]:
        print(f"{tables['undone']} tasks were not reached in time; run again to continue")


def _show_single(lane: str, told: Row) -> None:
    print(
        f"{lane}: {told['faults']} faults, top finding right {share(told['hit'])}, "
        f"discarded {told['discarded']}, median {told['median seconds']} s"
    )
    for part in ("by mutator", "by source"):
        for name, row in told[part].items():
            rest = {k: v for k, v in row.items() if k not in {"of", "hit"}}
            print(f"  {name:28}{row['of']:>5}{share(row['hit']):>8}  {rest}")


def _line(row: Row) -> str:
    findings = [(one["rule"], one["nodes"] or one["tensors"]) for one in row["findings"]]
    if row["lane"] == "healthy":
        return f"{row['key']} gap {row['gap']:.1e} {row['verdict']} {findings[:3]} " + str(
            row.get("failed", "")
        )
    return (
        f"{row['key']} {row['pair']} {row['mutators']} at {row['guilty']} "
        f"effect {row['effect']:.1e} {row['grade']}: {row['verdict']} {findings[:4]} "
        f"{row.get('failed', '')}{' does not run' if row['refused'] else ''}"
    )


def conversion(row: Row) -> str:
    """Return the conversion that gave the right side of a row's pair."""
    right = str(row["pair"]).partition(">")[2]
    left = str(row["pair"]).partition(":")[2].partition(">")[0]
    stem = right.removesuffix(".onnx")
    what = stem.partition("+")[2] or stem
    return what if left.endswith(".onnx") else f"{left.rpartition('.')[2]} to {what}"


def median(values: Iterable[object]) -> float | None:
    """Return the median of numbers to a hundredth; None of none."""
    ordered = sorted(float(str(value)) for value in values)
    return round(ordered[len(ordered) // 2], 2) if ordered else None


def share(value: object) -> str:
    """Return a share in per cent, as tables show it."""
    return "-" if value is None else f"{100 * float(str(value)):.1f} %"
