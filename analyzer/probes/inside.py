"""Values for tensors inside a model: of the range seen there, and beyond it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

from analyzer.core.types import Array, Feeds
from analyzer.probes.intervals import ANYTHING, Interval
from analyzer.probes.uses import InputUse, Use

SPREADS = (1.0, 3.0, 3.0)
"""Size of each draw in units of the largest magnitude seen: one of matching range, then two
that go past it, where a clamp that was never reached is."""

ZERO_SHARE = 0.125
"""Share of exact zeros in a draw, for what divides, masks or counts."""

LEANING = 0.1
"""Shift of a draw in units of its size: its two signs are not mirror images."""

MARKED_SHARE = 0.5
"""Share of a drawn index that asks for the rows of interest, if there are any."""

ANY_ROW: Array = np.empty(0, np.int64)

MASKING = 1e4
"""Magnitude from which a value is a mask's minus infinity, and no activation."""


def draws(
    seen: Feeds,
    limits: Mapping[str, Interval],
    uses: Mapping[str, InputUse],
    *,
    past: float = 0.0,
    rows: Array = ANY_ROW,
    seed: int = 0,
) -> Iterator[dict[str, Array]]:
    """Yield values for some tensors, of the range they were seen to have and beyond.

    Args:
        seen: What each tensor held on one sample.
        limits: What each can hold; see `reachable`.
        uses: What each is for, as far as it is known.
        past: A magnitude that the wider draws go past.
        rows: Rows that an index chooses among, where it can; empty: all there are.
        seed: Seed of everything drawn.

    Yields:
        An array of the same shape and dtype for each tensor, of both signs where the
        tensor can hold both, an eighth of them zero.
    """
    for number, spread in enumerate(SPREADS):
        beyond = 2.0 * past if spread > 1.0 else 0.0
        yield {
            name: _drawn(
                np.random.default_rng([seed, number, place]),
                value,
                uses.get(name, InputUse(Use.PLAIN)),
                rows,
                _Size(spread, beyond, limits.get(name, ANYTHING)),
            )
            for place, (name, value) in enumerate(seen.items())
        }


@dataclass(frozen=True, slots=True)
class _Size:
    """How large a draw is: in units of what was seen, at least, and at most."""

    spread: float
    least: float
    limits: Interval


def _drawn(
    rng: np.random.Generator, seen: Array, use: InputUse, rows: Array, size: _Size
) -> Array:
    """Return values for one tensor, of its shape and dtype."""
    if use.use is Use.INDEX and seen.dtype.kind in "iu":
        return _indices(rng, seen, use.size, rows)
    magnitude = float(np.abs(seen).max(initial=0.0)) if seen.dtype.kind == "f" else inf
    if not magnitude < MASKING:
        return _shuffled(rng, seen, use)
    scale = max(size.spread * (magnitude or 1.0), size.least)
    drawn = np.asarray(rng.uniform(-scale, scale, seen.shape) + LEANING * scale)
    drawn = drawn * (rng.random(seen.shape) >= ZERO_SHARE)
    held = np.abs(drawn) if use.use is Use.POSITIVE else drawn
    return np.asarray(np.clip(held, *size.limits), dtype=seen.dtype)


def _indices(rng: np.random.Generator, seen: Array, size: int, rows: Array) -> Array:
    """Return indices below a size, half of them among some rows if those fit."""
    drawn = rng.integers(0, max(size, 1), seen.shape)
    fitting = rows[rows < size]
    if fitting.size:
        chosen = rng.choice(fitting, seen.shape)
        drawn = np.where(rng.random(seen.shape) < MARKED_SHARE, chosen, drawn)
    return drawn.astype(seen.dtype)


def _shuffled(rng: np.random.Generator, seen: Array, use: InputUse) -> Array:
    """Return the values seen, elsewhere; a count or a size stays where it is."""
    if use.use in {Use.COUNT, Use.DIVISOR} or seen.ndim == 0:
        return seen
    return rng.permutation(seen.reshape(-1)).reshape(seen.shape)
