"""A protobuf message read without its schema, for looking before a framework does."""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""The wire types that are in use."""

LONGEST_VARINT = 10
"""Bytes; 64 bits at seven a byte."""

Field = tuple[int, int | memoryview]


def fields(message: memoryview) -> Iterator[Field]:
    """Yield number and value of each field of a message; the bytes of what is nested.

    Args:
        message: The message as it is stored.

    Raises:
        ValueError: It is none, or is cut short.

    Source:
        https://protobuf.dev/programming-guides/encoding/
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        size, place = _size(message, place, kind)
        if number == 0 or place + size > len(message):
            raise ValueError(f"field {number} ends behind the message")
        yield number, message[place : place + size]
        place += size


def nested(message: memoryview, number: int) -> Iterator[memoryview]:
    """Yield every value of one field that holds bytes, text or messages.

    Args:
        message: The message as it is stored.
        number: Of the field.

    Raises:
        ValueError: The message is none, or the field holds a number.
    """
    for found, value in fields(message):
        if found == number and isinstance(value, memoryview):
            yield value
        elif found == number:
            raise ValueError(f"field {number} holds a number")


def text(message: memoryview, number: int) -> str:
    """Return the last value of a field that holds text, or nothing.

    Args:
        message: The message as it is stored.
        number: Of the field.

    Raises:
        ValueError: The message is none, or the value is no text.
    """
    value = b""
    for found in nested(message, number):
        value = bytes(found)
    return value.decode("utf-8")


def _size(message: memoryview, place: int, kind: int) -> tuple[int, int]:
    fixed = {FIXED64: 8, FIXED32: 4}.get(kind)
    if fixed is not None:
        return fixed, place
    if kind != BYTES:
        raise ValueError(f"wire type {kind} is not in use")
    return _varint(message, place)


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for step in range(LONGEST_VARINT):
        if place + step >= len(message):
            raise ValueError("a number is cut short")
        byte = message[place + step]
        value |= (byte & 0x7F) << (7 * step)
        if byte < 0x80:  # noqa: PLR2004  # the bit that says more follows
            return value, place + step + 1
    raise ValueError("a number is too long")
