"""Probes drawn from a seed, in the range that each input is used in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from analyzer.core.errors import RunError, UsageError
from analyzer.core.listing import several
from analyzer.core.options import Options
from analyzer.core.types import Array, Feeds, Pivot, TensorSpec
from analyzer.probes.sizes import PLANS, SizePlan, has_open_sizes, sample_shapes
from analyzer.probes.uses import InputUse, Use, input_uses

WIDE_SCALE = 3.0
"""Standard deviation of the heavier samples: past the knees of tanh, sigmoid and ReLU6."""

ZERO_SHARE = 0.125
"""Share of exact zeros in a heavier sample, for what divides, masks or counts."""

PLAIN_SPAN = 20
"""Integers of no known meaning are drawn up to this magnitude, negative ones included."""

CREST = 3.0
"""Times its root mean square that a signal peaks at where its range was calibrated: normal
noise does so in a few hundred values, and pictures do."""

BYTES = {"uint8": (0, 255), "int8": (-128, 127)}
"""Bytes are pixels or quantized values, and use their whole range."""

Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A guess at what a model accepts: its open sizes, and whether integers stay tame."""

    plan: SizePlan
    narrow: bool


ATTEMPTS = tuple(Attempt(plan, narrow) for plan, narrow in product(PLANS, (False, True)))
"""The most telling guess first; the next one is tried only where the model refuses."""


def draw_synthetic(
    source: Pivot, options: Options, *, count: int, stream: int = 0
) -> tuple[Feeds, ...]:
    """Return seeded samples, each different, that the source's native runtime accepts.

    Where no guess is accepted the first one is returned: the analysis then says that the
    source cannot run.

    Args:
        source: The model to feed.
        options: Its seed, ranges and shapes are used.
        count: Number of samples.
        stream: Another stream gives other values of the same kind.

    Raises:
        UsageError: An option names no input or contradicts one, or an input's dtype cannot
            be drawn.
    """
    refuse_unknown_names(source, options)
    uses = input_uses(source.model, source.folder)
    guesses = (
        _samples(source.inputs, options, uses, attempt, count=count, stream=stream)
        for attempt in ATTEMPTS
    )
    first = next(guesses)
    if not first or not _is_uncertain(source, options, uses) or _accepts(source, first):
        return first
    return next((feeds for feeds in guesses if _accepts(source, feeds)), first)


def refuse_unknown_names(source: Pivot, options: Options) -> None:
    """Refuse a range or shape for an input that the source does not have.

    Raises:
        UsageError: Naming the option, the name and the inputs there are.
    """
    known = {spec.name for spec in source.inputs}
    for option, names in (
        ("--val-range", options.val_range),
        ("--input-shapes", options.input_shapes),
    ):
        stranger = next((name for name in names if name not in known), None)
        if stranger is not None:
            raise UsageError(
                f"{option} names {stranger}, which is no input of {source.path}",
                hint=f"its inputs are {several(sorted(known)) or 'none'}",
            )


def _is_uncertain(source: Pivot, options: Options, uses: Mapping[str, InputUse]) -> bool:
    """Return whether the first guess may be refused: it cost one run to know."""
    return any(
        (has_open_sizes(spec) and spec.name not in options.input_shapes)
        or (_is_whole(spec, uses) and spec.name not in options.val_range)
        for spec in source.inputs
    )


def _accepts(source: Pivot, feeds: Sequence[Feeds]) -> bool:
    """Return whether the native runtime takes the first sample."""
    try:
        source.run_native(feeds[0])
    except RunError:
        return False
    return True


def _samples(
    inputs: Sequence[TensorSpec],
    options: Options,
    uses: Mapping[str, InputUse],
    attempt: Attempt,
    *,
    count: int,
    stream: int,
) -> tuple[Feeds, ...]:
    shapes = sample_shapes(inputs, options.input_shapes, attempt.plan)

    def value(place: int, spec: TensorSpec, sample: int) -> Array:
        rng = np.random.default_rng([options.seed, stream, place, sample])
        use = uses.get(spec.name, InputUse(Use.PLAIN))
        given = options.val_range.get(spec.name)
        if given is not None:
            return _in_range(rng, spec, shapes[spec.name], given)
        return _value(rng, spec, shapes[spec.name], use, sample, narrow=attempt.narrow)

    return tuple(
        {spec.name: value(place, spec, sample) for place, spec in enumerate(inputs)}
        for sample in range(count)
    )


def _value(
    rng: np.random.Generator,
    spec: TensorSpec,
    shape: tuple[int, ...],
    use: InputUse,
    sample: int,
    *,
    narrow: bool,
) -> Array:
    """Return one sample of one input, of its own shape and dtype."""
    dtype = drawn_dtype(spec)
    if dtype.kind == "b" or use.use is Use.FILL:
        return _both(rng, shape).astype(dtype)
    if dtype.kind in "iu" or use.use in {Use.INDEX, Use.CLASS}:
        return _integers(rng, shape, dtype, use, narrow=narrow).astype(dtype)
    if use.use is Use.PIXELS:
        return _pixels(rng, shape, use.size, sample).astype(dtype)
    drawn = FLOAT_KINDS[sample % len(FLOAT_KINDS)](rng, shape)
    held = np.abs(drawn) if use.use is Use.POSITIVE else drawn
    return (held if spec.reach is None else _reaching(held, *spec.reach)).astype(dtype)


def _reaching(drawn: Array, low: float, high: float) -> Array:
    """Return values as large as a range allows, zeros and duplicates where they were."""
    held = drawn if low < 0 else np.abs(drawn)
    least, most = float(held.min(initial=0.0)), float(held.max(initial=0.0))
    root = float(np.sqrt(np.mean(np.square(held)))) if held.size else 0.0
    factors = ([high / most] if most > 0 else []) + ([low / least] if least < 0 else [])
    factors += [max(high, -low) / (CREST * root)] if root > 0 else []
    return np.clip(held * min(factors, default=1.0), low, high)


def drawn_dtype(spec: TensorSpec) -> np.dtype[np.generic]:
    """Return the dtype to draw an input in; float32 where the model declares none.

    Raises:
        UsageError: It is not a number.
    """
    if spec.dtype == "unknown":
        return np.dtype(np.float32)
    if spec.dtype == "string" or np.dtype(spec.dtype).kind in "OSUc":
        raise UsageError(
            f"input {spec.name} takes {spec.dtype} values, which cannot be drawn",
            hint="pass your own with --inputs FILE.npz",
        )
    return np.dtype(spec.dtype)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.standard_normal(shape))


def _unit(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.random(shape))


def _wide(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return heavier values of both signs, with exact zeros among them."""
    kept = rng.random(shape) >= ZERO_SHARE
    return np.asarray(rng.standard_normal(shape) * WIDE_SCALE * kept)


def _ties(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return quarters: duplicates, halves that round either way, zeros and negatives."""
    return np.asarray(np.round(rng.standard_normal(shape) * WIDE_SCALE * 4) / 4)


FLOAT_KINDS: tuple[Draw, ...] = (_normal, _unit, _wide, _ties)
"""N(0, 1) alone misses faults of sign, rounding and order; each sample has its own kind."""


def _pixels(
    rng: np.random.Generator, shape: tuple[int, ...], brightest: int, sample: int
) -> Array:
    """Return values from 0 to the brightest: whole ones in every second sample."""
    drawn = rng.random(shape) * brightest
    return np.asarray(np.round(drawn) if sample % 2 else drawn)


def _both(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return zeros and ones, both present where there is room for both."""
    drawn = rng.integers(0, 2, shape)
    if drawn.size > 1:
        drawn.flat[0], drawn.flat[-1] = 1, 0
    return np.asarray(drawn)


def _integers(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
    use: InputUse,
    *,
    narrow: bool,
) -> Array:
    """Return whole numbers in the range of their use, without unusual ones if `narrow`."""
    if use.use is Use.MASK or (narrow and use.use is Use.PLAIN):
        return _both(rng, shape)
    low, high = _bounds(dtype, use, narrow=narrow)
    drawn = rng.integers(low, high, shape, endpoint=True)
    if use.use is Use.DIVISOR:
        drawn = np.where(drawn == 0, 1, drawn)  # dividing by 0 ends the runtime's process
    return np.asarray(drawn)


def _bounds(dtype: np.dtype[np.generic], use: InputUse, *, narrow: bool) -> tuple[int, int]:
    """Return the smallest and the largest whole number that makes sense in an input."""
    signed, last = dtype.kind != "u", max(use.size, 1) - 1
    strange = 0 if narrow else 2
    plain = BYTES.get(dtype.name, (-PLAIN_SPAN * signed, PLAIN_SPAN))
    ranges = {
        Use.INDEX: (0, last),
        Use.CLASS: (-strange * signed, last + strange),
        Use.COUNT: (1, 3),
        Use.DIVISOR: (-7 * (signed and not narrow), 7),
    }
    return ranges.get(use.use, plain)


def _in_range(
    rng: np.random.Generator,
    spec: TensorSpec,
    shape: tuple[int, ...],
    bounds: tuple[float, float],
) -> Array:
    """Return values spread evenly over the user's interval, both ends included."""
    dtype, (low, high) = drawn_dtype(spec), bounds
    if dtype.kind not in "iub":
        return np.asarray((low + rng.random(shape) * (high - low)).astype(dtype))
    first, last = int(np.ceil(low)), int(np.floor(high))
    floor, ceiling = _limits(dtype)
    if not floor <= first <= last <= ceiling:
        raise UsageError(
            f"--val-range {spec.name}:[{low:g},{high:g}] holds no {spec.dtype} value "
            "or some that it cannot hold",
            hint="give an interval of whole numbers that the input's dtype can represent",
        )
    return np.asarray(rng.integers(first, last, shape, endpoint=True).astype(dtype))


def _limits(dtype: np.dtype[np.generic]) -> tuple[int, int]:
    """Return the smallest and the largest value of a boolean or integer dtype."""
    if dtype.kind == "b":
        return 0, 1
    half = 2 ** (dtype.itemsize * 8 - 1)
    return (0, 2 * half - 1) if dtype.kind == "u" else (-half, half - 1)


def _is_whole(spec: TensorSpec, uses: Mapping[str, InputUse]) -> bool:
    """Return whether an input is drawn in whole numbers that a model may refuse."""
    use = uses.get(spec.name, InputUse(Use.PLAIN)).use
    return use in {Use.INDEX, Use.CLASS} or spec.dtype.lstrip("u").startswith("int")


def redraw(used: Sequence[Feeds], *, seed: int, stream: int) -> Iterator[Feeds]:
    """Yield as many samples again, of the range, values and kind that were observed.

    Each value lies between two observed ones of its input, or is one of them where the
    input holds whole numbers: so the range is kept, and so is where most values lie.

    Args:
        used: Samples that were seen.
        seed: Seed of everything drawn.
        stream: Another stream gives other values.
    """
    pools = {
        name: np.concatenate([feeds[name].reshape(-1) for feeds in used])
        for name in used[0]
    }
    for sample, feeds in enumerate(used):
        yield {
            name: _resampled(
                np.random.default_rng([seed, stream, place, sample]), pools[name], value
            )
            for place, (name, value) in enumerate(feeds.items())
        }


def mixed(used: Sequence[Feeds], *, seed: int, stream: int, count: int) -> Iterator[Feeds]:
    """Yield samples that each lie between two that were observed.

    Neighbouring values keep what they have to do with each other, as pixels do, which
    `redraw` loses. Of whole numbers, each is that of one of the two.

    Args:
        used: Samples that were seen.
        seed: Seed of everything drawn.
        stream: Another stream gives other values.
        count: How many.
    """
    for sample in range(count):
        rng = np.random.default_rng([seed, stream, sample])
        one, other = rng.choice(len(used), 2, replace=len(used) == 1).tolist()
        share = float(rng.random())
        yield {
            name: _between(rng, value, used[other][name], share)
            for name, value in used[one].items()
        }


def _between(rng: np.random.Generator, one: Array, other: Array, share: float) -> Array:
    """Return a share of one array and the rest of another; the first if sizes differ."""
    if one.shape != other.shape:
        return one
    if one.dtype.kind in "iubOSU" or (_all_whole(one) and _all_whole(other)):
        return np.asarray(np.where(rng.random(one.shape) < share, one, other), one.dtype)
    between = one.astype(np.float64) * share + other.astype(np.float64) * (1 - share)
    return np.asarray(between, dtype=one.dtype)


def _resampled(rng: np.random.Generator, pool: Array, like: Array) -> Array:
    """Return values from a pool in another array's shape and dtype."""
    one = rng.choice(pool, like.shape) if pool.size else like
    if like.dtype.kind in "iubOSU" or _all_whole(pool):
        return np.asarray(one, dtype=like.dtype)
    two, share = rng.choice(pool, like.shape), rng.random(like.shape)
    between = one.astype(np.float64) * share + two.astype(np.float64) * (1 - share)
    return np.asarray(between, dtype=like.dtype)


def _all_whole(pool: Array) -> bool:
    values = pool.astype(np.float64)
    return bool(np.all(values == np.round(values)))
