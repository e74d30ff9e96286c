"""What calls that work number by number make of numbers: the curve they draw."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.fx.node import map_arg

from rewriter.export.child.fx_constants import Constants

REACH = 6.0
"""Beyond it, every activation is flat or straight to float32."""

POINTS = 1001

CLOSE = 1e-5
"""Difference up to which two curves are one: float32 rounds some 1e-6 at this reach, and
the two forms of GELU are 5e-4 apart."""


def curve(node: Any, image: Any, constants: Constants) -> Any:
    """Return what calls make of evenly spaced numbers; None where they read other tensors.

    Args:
        node: The last of the calls.
        image: What the first of them reads.
        constants: What the program's placeholders hold.
    """
    known = {image: _numbers()}

    def value(one: Any) -> Any:
        if one in known:
            return known[one]
        if one.op == "placeholder":
            number = constants.number(one)
            known[one] = None if number is None else torch.tensor(number)
        elif one.op == "call_function":
            arguments, named = map_arg((one.args, one.kwargs), value)
            given = [value(each) for each in one.all_input_nodes]
            whole = all(each is not None for each in given)
            known[one] = one.target(*arguments, **named) if whole else None
        return known.get(one)

    result = value(node)
    return result if isinstance(result, torch.Tensor) and len(result) == POINTS else None


def fits(wanted: Any, target: Any, settings: Mapping[str, Any]) -> bool:
    """Return whether a call with some settings draws a curve.

    Args:
        wanted: The curve; None fits nothing.
        target: The operator.
        settings: Its arguments by name.
    """
    if wanted is None:
        return False
    return bool(torch.allclose(target(_numbers(), **settings), wanted, CLOSE, CLOSE))


def _numbers() -> Any:
    return torch.linspace(-REACH, REACH, POINTS)
