"""A command line of `repair` as one of `diff`."""

from analyzer.commandline import as_diff


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
