"""Constants of a traced program: large ones are variables that keep the weight's name."""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import Any

import numpy as np
import tensorflow as tf

from analyzer.core.types import Array

Tensor = Any
"""A TensorFlow tensor; TensorFlow is untyped."""

SMALLEST = 16
"""Elements from which a float constant is a weight; below are scales, axes and epsilons."""

UNWANTED = re.compile(r"[^A-Za-z0-9_.\\/-]")
"""What TensorFlow does not take in a name."""

UNNAMED = "constant"
"""What a weight is called that was computed."""


class Weights:
    """The variables of one program, each made once.

    Args:
        named: Arrays of any shape and dtype, by name, that variables may be made of.
    """

    def __init__(self, named: Mapping[str, Array]) -> None:
        self.variables: list[Tensor] = []
        self._made: dict[tuple[object, ...], Tensor] = {}
        self._names = {_place(array): name for name, array in named.items()}

    def variable(self, array: Array) -> Tensor:
        """Return the variable that holds an array, in the array's layout.

        Args:
            array: Of any shape, of a float dtype.
        """
        content = sha256(array.tobytes()).digest()
        key = (array.dtype.str, array.shape, content)
        if key not in self._made:
            name = self._names.get(_place(array), UNNAMED)
            known = name != UNNAMED
            made = _elsewhere(lambda: tf.Variable(array, known, name=valid_name(name)))
            self._made[key] = made
            self.variables.append(made)
        return self._made[key]


def _elsewhere(make: Callable[[], Tensor]) -> Tensor:
    """Return what is made in a thread of its own, where no function is being traced.

    A variable made while a function is traced would have to be made again at each trace.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(make).result()


_weights: ContextVar[Weights | None] = ContextVar("weights", default=None)


@contextmanager
def kept_in(weights: Weights | None) -> Iterator[None]:
    """Make large constants variables of a program while it is traced.

    Args:
        weights: Where they go; None leaves them constants.
    """
    token = _weights.set(weights)
    try:
        yield
    finally:
        _weights.reset(token)


def constant(array: Array) -> Tensor:
    """Return an array as a tensor of the same shape and dtype: a weight as its variable.

    Args:
        array: Of any shape and dtype.
    """
    weights = _weights.get()
    large = array.size >= SMALLEST and array.dtype.kind == "f"
    if weights is None or not large or tf.executing_eagerly():
        return tf.constant(array)
    return tf.convert_to_tensor(weights.variable(array))


def valid_name(name: str) -> str:
    """Return a name as TensorFlow takes it: letters, digits and ``_.-/`` after a letter."""
    clean = UNWANTED.sub("_", name)
    return clean if clean[:1].isalnum() or clean[:1] == "." else f"x{clean}"


def _place(array: Array) -> int:
    """Return where an array's bytes begin: the same for all its transposed views."""
    whole = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    return int(whole.__array_interface__["data"][0])
