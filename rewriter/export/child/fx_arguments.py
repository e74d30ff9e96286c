"""The arguments of a program's calls by their names in the schema: read, set, compared."""

from typing import Any

import numpy as np

from rewriter.export.child.fx_settings import axes_of, axis_of

AXES = frozenset({"dim", "dims", "dim0", "dim1"})
"""Arguments that count axes, from the end too where they are negative."""


def schema(target: Any) -> str:
    """Return the name of an operator, the same where it works in place; none: nothing.

    Args:
        target: What a `torch.fx.Node` calls.
    """
    own = getattr(target, "_schema", None)
    return str(own.name).removesuffix("_") if own is not None else ""


def stated(node: Any) -> dict[str, Any]:
    """Return the arguments of a call by their names in its schema, defaults filled in.

    Args:
        node: A `torch.fx.Node` that calls a registered operator.
    """
    known = node.target._schema.arguments  # noqa: SLF001  # torch has no other place for it
    given = dict(zip((one.name for one in known), node.args, strict=False))
    own = {one.name: one.default_value for one in known} | given | dict(node.kwargs)
    if "kernel_size" in own and not own.get("stride"):
        own["stride"] = own["kernel_size"]  # the default, which the schema does not tell
    return own


def state(node: Any, argument: str, value: Any) -> None:
    """Give an argument of a call another value.

    Args:
        node: A `torch.fx.Node` that calls a registered operator; it is changed.
        argument: Its name in the schema.
        value: What it is to be.
    """
    known = node.target._schema.arguments  # noqa: SLF001  # torch has no other place for it
    names = [one.name for one in known]
    place = names.index(argument)
    if known[place].kwarg_only or argument in node.kwargs:
        node.kwargs = {**node.kwargs, argument: value}
        return
    own = stated(node)
    count = max(len(node.args), place + 1)
    full = [own[name] for name in names[:count]]
    full[place] = value
    node.args = tuple(full)


def agree(own: Any, value: Any, argument: str, rank: int) -> bool:
    """Return whether an argument says what the ONNX operator was imported with.

    Args:
        own: What the call says.
        value: What the operator said, as `Setting.convert` gives it.
        argument: The argument's name.
        rank: The number of axes that axes are counted of.
    """
    if argument in AXES:
        own = axes_of(own, rank) if isinstance(value, list) else axis_of(own, rank)
    if isinstance(value, list):
        many = list(own) if isinstance(own, list | tuple) else [own]
        many = many * len(value) if len(many) == 1 else many
        same = len(many) == len(value)
        return same and all(map(_same, many, value))
    return _same(own, value)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        numbers = all(isinstance(each, int | float) for each in (one, other))
        return numbers and bool(np.float32(one) == np.float32(other))
    return bool(one == other)
