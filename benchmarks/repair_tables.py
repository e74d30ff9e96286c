"""The tables of the repair benchmark, printed and as JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rows import Row
from tables import conversion, median, share

OUTCOMES = ("repaired", "improved", "unrepaired", "worse")
HEADS = ("of", "localized", "class right", *OUTCOMES)
LANES = ("rules", "blind", "rules-many", "blind-many")


def publish(rows: Sequence[Row], undone: int, path: Path) -> None:
    """Print every table and every miss, and write them.

    Args:
        rows: What was done.
        undone: Tasks that the time did not suffice for.
        path: Of the JSON file.
    """
    tables: Row = {"healthy": healthy([row for row in rows if row["lane"] == "healthy"])}
    for lane in LANES:
        tables[lane] = faulty([row for row in rows if row["lane"] == lane])
    tables["undone"] = undone
    show(tables)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


def healthy(rows: Sequence[Row]) -> Row:
    """Return how many healthy pairs were edited, or not called whole, by conversion.

    Conversions that are wrong themselves are told apart: what became of them.
    """
    wrong = [row for row in rows if not row["healthy"]]
    rows = [row for row in rows if row["healthy"]]
    missed = [row for row in rows if row["edited"] or row["verdict"] != "repaired"]
    kinds = Counter(conversion(row) for row in rows)
    edited = Counter(conversion(row) for row in rows if row["edited"])
    return {
        "pairs": len(rows),
        "edited": sum(edited.values()),
        "not called whole": len(missed),
        "by conversion": {kind: [kinds[kind], edited[kind]] for kind in sorted(kinds)},
        "finds": [[row["pair"], row["gap"], row["verdict"]] for row in wrong],
        "misses": missed,
    }


def faulty(rows: Sequence[Row]) -> Row:
    """Return what became of the faults of a lane, by what was done and by conversion."""
    judged = [row for row in rows if "discarded" not in row]
    mutators = sorted({name for row in judged for name in row["mutators"]})
    paths = sorted({conversion(row) for row in judged})
    return {
        **counts(judged),
        "discarded": dict(Counter(row["discarded"] for row in rows if "discarded" in row)),
        "median seconds": median(row["seconds"] for row in judged),
        "by mutator": {name: counts(judged, only=name) for name in mutators},
        "by conversion": {
            name: counts([row for row in judged if conversion(row) == name])
            for name in paths
        },
        "misses": [row for row in judged if not is_whole(row)],
    }


def is_whole(row: Row) -> bool:
    """Return whether every fault of a row was found, rightly called and repaired."""
    return all(row["found"]) and all(row["right"]) and row["outcome"] == "repaired"


def counts(rows: Sequence[Row], *, only: str = "") -> Row:
    """Return what `HEADS` names: shares of faults found and called, pairs by outcome.

    Args:
        rows: Broken pairs.
        only: Count what this one mutator did; empty: everything.
    """
    mine = [row for row in rows if not only or only in row["mutators"]]
    found = list(_of_faults(mine, "found", only))
    right = list(_of_faults(mine, "right", only))
    became = Counter(str(row["outcome"]) for row in mine)
    return {
        "of": len(mine),
        "localized": sum(found) / len(found) if found else None,
        "class right": sum(right) / len(right) if right else None,
        **{name: became[name] for name in OUTCOMES},
    }


def _of_faults(rows: Iterable[Row], what: str, only: str) -> Iterable[bool]:
    for row in rows:
        pairs = zip(row["mutators"], row[what], strict=True)
        yield from (true for name, true in pairs if not only or name == only)


def show(tables: Row) -> None:
    """Print the tables, then one line for each miss."""
    told = tables["healthy"]
    print(
        f"healthy: {told['pairs']} pairs, {told['edited']} edited, "
        f"{told['not called whole']} not called whole; "
        f"{len(told['finds'])} conversions are wrong themselves"
    )
    for kind, (count, edited) in told["by conversion"].items():
        print(f"  {kind:28}{count:>5} pairs{edited:>5} edited")
    for lane in LANES:
        _show(lane, tables[lane])
    for lane in ("healthy", *LANES):
        for row in tables[lane]["misses"]:
            print(_line(row))
    if tables["undone"]:
        print(f"{tables['undone']} tasks were not reached in time; run again to continue")


def _show(lane: str, told: Row) -> None:
    repaired = told["repaired"] / told["of"] if told["of"] else None
    print(
        f"{lane}: {told['of']} pairs, repaired {share(repaired)}, "
        f"discarded {told['discarded']}, median {told['median seconds']} s"
    )
    print(f"  {'':28}" + "".join(f"{head:>12}" for head in HEADS))
    everything = {"all": told}
    for part in (everything, told["by mutator"], told["by conversion"]):
        for name, row in part.items():
            cells = (
                share(row[head]) if head in {"localized", "class right"} else row[head]
                for head in HEADS
            )
            print(f"  {name:28}" + "".join(f"{cell:>12}" for cell in cells))


def _line(row: Row) -> str:
    findings = [
        (one["rule"], one["class"], (one["nodes"] or one["tensors"])[:4], one["outcome"])
        for one in row["findings"]
    ]
    said = f"{row['verdict']} {findings[:5]} {row.get('failed', '')}"
    if row["lane"] == "healthy":
        return f"{row['key']} edited {row['edited']} {said}"
    flaws = [
        "" if all(row["found"]) else "missed",
        "" if all(row["right"]) else f"class of {row['classes']}",
        "" if row["outcome"] == "repaired" else row["outcome"],
    ]
    return (
        f"{row['key']} {row['pair']} {row['mutators']} at {row['guilty']} "
        f"{', '.join(filter(None, flaws))}: {row['healthy']:.1e} {row['before']:.1e} > "
        f"{row['after']:.1e}: {said}{' does not run' if row['refused'] else ''}"
    )
