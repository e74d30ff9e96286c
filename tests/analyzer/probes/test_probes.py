"""What is drawn, what is held out, and that both are the same every time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analyzer.core.options import Options
from analyzer.core.types import Feeds, Pivot, TensorSpec
from analyzer.probes import draw, held_out, split

Made = Callable[..., Pivot]
Saved = Callable[..., Path]
ROW = TensorSpec("row", "float32", (1, 2))


def numbers(feeds: tuple[Feeds, ...]) -> list[float]:
    """Return the first number of each sample."""
    return [float(one["row"].flat[0]) for one in feeds]


def counted(count: int) -> np.ndarray:
    """Return samples that are told apart by their first number."""
    return np.arange(count * 2, dtype=np.float32).reshape(count, 1, 2)


def test_drawing_is_repeatable(pivot: Made, image: TensorSpec) -> None:
    """The same seed gives the same probes, another one gives others."""
    once, again = (draw(pivot(image), Options(seed=5))[0] for _ in range(2))
    other, _ = draw(pivot(image), Options(seed=6))

    pairs = zip(once, again, strict=True)
    assert all(np.array_equal(one["image"], two["image"]) for one, two in pairs)
    assert not np.array_equal(once[0]["image"], other[0]["image"])


def test_example_of_the_model_is_the_first_probe(pivot: Made) -> None:
    """Its rows are repeated where the batch is open; the others are drawn as ever."""
    rows = TensorSpec("row", "float32", (None, 2))
    model = replace(pivot(rows), example={"row": np.float32([[3, 4]])})
    first, *others = draw(model, Options(samples=3))[0]
    drawn = draw(pivot(rows), Options(samples=3))[0]

    assert first["row"].shape == drawn[0]["row"].shape
    assert np.array_equal(first["row"], np.resize(np.float32([3, 4]), first["row"].shape))
    assert numbers(tuple(others)) == numbers(drawn[1:])


@pytest.mark.parametrize("value", [[[0, 0]], [[1, np.inf]], [[1, 2, 3]]])
def test_example_that_tells_nothing_is_no_probe(
    pivot: Made, value: list[list[float]]
) -> None:
    """Zeros, infinities and other sizes show less than what is drawn."""
    model = replace(pivot(ROW), example={"row": np.array(value, np.float32)})

    assert numbers(draw(model, Options())[0]) == numbers(draw(pivot(ROW), Options())[0])


def test_fewer_samples_are_drawn_of_a_model_of_gigabytes(
    pivot: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a run that reads all weights; whoever asks for a number gets it."""
    monkeypatch.setattr("analyzer.probes.mapped_bytes", lambda _: 3 << 30)
    asked = Options(samples=5, most_read=0)

    assert draw(pivot(ROW), Options())[1].samples == 2
    assert draw(pivot(ROW), asked)[1].samples == 5


def test_the_summary_says_what_was_used(pivot: Made, npz: Saved) -> None:
    """A run reports the kind, the number and the seed of its probes."""
    _, synthetic = draw(pivot(ROW), Options(samples=3, seed=9))
    _, own = draw(pivot(ROW), Options(inputs=npz(row=counted(5))))

    assert (synthetic.kind, synthetic.samples, synthetic.seed) == ("synthetic", 3, 9)
    assert (own.kind, own.samples) == ("npz", 5)


def test_a_quarter_is_held_out_of_four(pivot: Made, npz: Saved) -> None:
    """Of four or more samples a quarter at least is kept from the repair."""
    options = Options(inputs=npz(row=counted(8)))
    used, _ = draw(pivot(ROW), options, hold_out=True)
    spare = held_out(pivot(ROW), options, used)

    assert numbers(used) == [2, 4, 6, 10, 12, 14]
    assert numbers(spare) == [0, 8]


def test_a_comparison_uses_every_sample(pivot: Made, npz: Saved) -> None:
    """Without a repair nothing is held out."""
    used, _ = draw(pivot(ROW), Options(inputs=npz(row=counted(8))))

    assert len(used) == 8


def test_fewer_than_four_samples_are_drawn_again(pivot: Made, npz: Saved) -> None:
    """Held-out probes of three samples are new ones from the observed range."""
    rows = np.array([[[10.5, 20.0]], [[11, 12.0]], [[13, 14.0]]])
    options = Options(inputs=npz(row=rows))
    used, _ = draw(pivot(ROW), options, hold_out=True)
    spare = held_out(pivot(ROW), options, used)

    assert len(used) == len(spare) == 3
    values = np.concatenate([one["row"] for one in spare])
    assert values.min() >= 10.5
    assert values.max() <= 20
    assert values.dtype == np.float32


def test_whole_numbers_stay_whole(pivot: Made, npz: Saved) -> None:
    """Held-out probes of whole numbers are observed whole numbers."""
    options = Options(inputs=npz(row=np.array([[[0.0, 255.0]], [[7.0, 9.0]]])))
    used, _ = draw(pivot(ROW), options)
    values = np.concatenate([one["row"] for one in held_out(pivot(ROW), options, used)])

    assert set(values.flat) <= {0, 255, 7, 9}


def test_held_out_synthetic_probes_are_new(pivot: Made, image: TensorSpec) -> None:
    """Drawn probes are held out by drawing as many again from another stream."""
    used, _ = draw(pivot(image), Options())
    spare = held_out(pivot(image), Options(), used)

    assert len(spare) == len(used)
    assert not any(np.array_equal(spare[0]["image"], one["image"]) for one in used)


@pytest.mark.parametrize(("count", "spare"), [(3, 0), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_split_gives_a_quarter_rounded_up(count: int, spare: int) -> None:
    """A quarter at least is held out, and nothing is lost."""
    feeds = tuple({"row": value} for value in counted(count))
    kept, held = split(feeds)

    assert (len(kept), len(held)) == (count - spare, spare)
