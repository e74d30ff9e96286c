"""A command line of `repair` as one of `diff`."""

import argparse

import pytest

from analyzer.commandline import (
    REPAIR_ONLY,
    as_diff,
    diff_options,
    repair_options,
    signatures_of,
)
from analyzer.core.errors import UsageError
from analyzer.core.options import Options
from analyzer.loading import hints_of_both


def test_what_looks_at_the_pair_stays() -> None:
    """Inputs and seed are passed on; what is written where is not."""
    words = "repair a.onnx b.onnx -o c.onnx --inputs=x.npz --report d --seed 3 --force"

    assert as_diff(words.split()) == (
        "diff",
        "a.onnx",
        "b.onnx",
        "--inputs=x.npz",
        "--seed",
        "3",
    )


def test_a_value_behind_a_sign_takes_no_word_with_it() -> None:
    """``--output=c.onnx`` is one word."""
    assert as_diff(["repair", "a", "--output=c.onnx", "b"]) == ("diff", "a", "b")


def options(*parsers: argparse.ArgumentParser) -> list[dict[str, bool]]:
    """Return the options of some parsers, and whether each takes a value."""
    return [
        {name: one.nargs != 0 for one in each._actions for name in one.option_strings}
        for each in parsers
    ]


def test_every_option_of_repair_alone_is_left_out() -> None:
    """What `diff` does not know, it is not told."""
    both = argparse.ArgumentParser(), argparse.ArgumentParser()
    diff_options(both[0])
    repair_options(both[1])
    known, every = options(*both)
    alone = {name: takes for name, takes in every.items() if name not in known}

    assert alone.items() <= REPAIR_ONLY.items()


@pytest.mark.parametrize(
    ("words", "each"),
    [([], ("", "")), (["a"], ("a", "a")), (["a", "b"], ("a", "b"))],
)
def test_one_signature_is_meant_for_both_models(
    words: list[str], each: tuple[str, str]
) -> None:
    """Two are the source's and the target's, in the order of the models."""
    given = signatures_of(argparse.Namespace(signatures=words), 2)
    source, target = hints_of_both(Options(signatures=given))

    assert (source.signature, target.signature) == each


def test_more_signatures_than_models_are_refused() -> None:
    """Which one is meant cannot be told."""
    with pytest.raises(UsageError, match="--signature is given 2 times, for 1 model"):
        signatures_of(argparse.Namespace(signatures=["a", "b"]), 1)
