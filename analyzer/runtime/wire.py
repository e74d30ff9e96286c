"""Protobuf's wire format, read in place: where fields stand, not what they hold.

Source: https://protobuf.dev/programming-guides/encoding
"""

import mmap
from collections.abc import Iterator
from typing import NamedTuple

Buffer = bytes | mmap.mmap
"""Bytes that can be indexed and sliced, in memory or mapped."""

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)
"""Wire types."""

LAST_SHIFT = 63
"""A varint holds 64 bits, so no byte of it is shifted further."""


class MalformedError(ValueError):
    """The bytes are no protobuf message."""


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: The field's number.
        kind: Its wire type.
        start: Offset of its tag.
        content: Offset of its value, behind the tag and any length.
        end: Offset behind it.
    """

    number: int
    kind: int
    start: int
    content: int
    end: int


def fields(buffer: Buffer, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message that stands between two offsets.

    Args:
        buffer: The bytes, of which only tags and lengths are read.
        start: Offset of the message.
        end: Offset behind it.

    Raises:
        MalformedError: A field is of no known wire type or reaches behind the message.
    """
    place = start
    while place < end:
        tag, content = varint(buffer, place, end)
        length, content = _length(buffer, content, end, tag & 7)
        field = Field(tag >> 3, tag & 7, place, content, content + length)
        if not field.number or field.end > end:
            raise MalformedError(f"a field at byte {place} does not fit its message")
        yield field
        place = field.end


def _length(buffer: Buffer, place: int, end: int, kind: int) -> tuple[int, int]:
    """Return a value's length in bytes and its offset."""
    match kind:
        case 0:
            return varint(buffer, place, end)[1] - place, place
        case 1:
            return 8, place
        case 2:
            return varint(buffer, place, end)
        case 5:
            return 4, place
        case _:
            raise MalformedError(f"wire type {kind} at byte {place} is none of ONNX")


def varint(buffer: Buffer, place: int, end: int) -> tuple[int, int]:
    """Return the number that stands at an offset, and the offset behind it.

    Raises:
        MalformedError: It is longer than 64 bits or than the message.
    """
    number = shift = 0
    while place < end and shift <= LAST_SHIFT:
        byte = buffer[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  # the high bit says that more bytes follow
            return number, place
        shift += 7
    raise MalformedError(f"the number at byte {place} has no end")


def encoded(number: int) -> bytes:
    """Return a number as a varint."""
    octets = bytearray()
    while number > 0x7F:  # noqa: PLR2004  # seven bits to a byte
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def message(number: int, content: bytes) -> bytes:
    """Return a field that holds a message or bytes."""
    return encoded(number << 3 | LENGTH) + encoded(len(content)) + content
