"""Protobuf's wire format is read without being decoded."""

import pytest

from analyzer.runtime.wire import MalformedError, encoded, fields, message, varint


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**64 - 1])
def test_number_survives_a_round_trip(number: int) -> None:
    """What is written as a varint is read back, to its last byte."""
    octets = encoded(number)

    assert varint(octets, 0, len(octets)) == (number, len(octets))


def test_fields_say_where_they_stand() -> None:
    """A number and a string are found at their offsets."""
    octets = b"\x08\x96\x01" + message(2, b"abc")
    found = list(fields(octets, 0, len(octets)))

    places = [(field.number, field.start, field.end) for field in found]
    assert places == [(1, 0, 3), (2, 3, 8)]
    assert octets[found[1].content : found[1].end] == b"abc"


@pytest.mark.parametrize(
    "octets",
    [
        b"\x12\x7fabc",  # longer than what is left
        b"\x08\xff",  # a number without an end
        b"\x0b",  # a group
        b"\x00\x01",  # field number zero
        b"\xff" * 11,  # a number of more than 64 bits
    ],
)
def test_bytes_that_are_no_message_are_refused(octets: bytes) -> None:
    """Nothing is read behind the message."""
    with pytest.raises(MalformedError):
        list(fields(octets, 0, len(octets)))
