"""Words of the command line as values."""

from argparse import ArgumentTypeError

import pytest

from analyzer import arguments


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1e-3", ("", 1e-3)), ("probs:0.1", ("probs", 0.1)),
        ("Identity:0:1e-4", ("Identity:0", 1e-4)),
    ],
)  # fmt: skip
def test_a_tolerance_is_for_one_output_or_all(word: str, value: tuple[str, float]) -> None:
    """The value stands behind the last colon: TensorFlow's names have one too."""
    assert arguments.tolerance(word) == value


def test_a_size_has_a_letter_for_its_unit() -> None:
    """As dd, docker and free take them: powers of 1024."""
    words = ("4096", "2k", "500M", "1G")

    assert [arguments.size(word) for word in words] == [4096, 2048, 500 << 20, 1 << 30]


def test_an_interval_names_its_input() -> None:
    """NAME:[lo,hi] may have spaces and negative ends, and a name with a colon."""
    assert arguments.interval("x:0:[-1, 2.5]") == ("x:0", (-1.0, 2.5))


def test_a_shape_names_its_input() -> None:
    """NAME:[sizes] gives whole numbers; a scalar has none."""
    assert arguments.shape("x:[1,3,224,224]") == ("x", (1, 3, 224, 224))
    assert arguments.shape("x:[]") == ("x", ())


@pytest.mark.parametrize(
    ("read", "word"),
    [
        (arguments.count, "0"), (arguments.count, "-1"), (arguments.count, "eight"),
        (arguments.size, "M"), (arguments.size, "0G"), (arguments.size, "2T"),
        (arguments.seed, "-1"), (arguments.seed, "1.5"), (arguments.tolerance, "nan"),
        (arguments.tolerance, "probs"), (arguments.tolerance, "probs:-1"),
        (arguments.tolerance, "inf"), (arguments.interval, "[0,1]"),
        (arguments.interval, "x:[1,0]"), (arguments.interval, "x:[0]"),
        (arguments.interval, "x:[0,inf]"), (arguments.shape, "x:1,3"),
        (arguments.shape, "x:[1,0]"), (arguments.shape, "x:[1,]"),
    ],
)  # fmt: skip
def test_other_words_are_refused(read: object, word: str) -> None:
    """Each refusal repeats the word that was typed."""
    with pytest.raises(ArgumentTypeError) as refusal:
        read(word)  # type: ignore[operator]

    assert word in str(refusal.value)
