"""The parameters of a JAX function in its ONNX form: found by value, named by their path.

jax2onnx names what a function holds ``const_0``, ``const_1``, and stores some reshaped.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import onnx
from onnx import numpy_helper

from analyzer.core.types import Array
from analyzer.frontends.child.naming import all_nodes, renamed

SEED = 0
"""Of the values by which parameters are told apart; any would do."""

HELD = jax.tree_util.GetAttrKey("value")
"""The last step of the path to each array in a Flax NNX module."""

Key = tuple[str, int, bytes]
"""Dtype and size of an array, and its values in ascending order."""

Twin = Callable[[], tuple[onnx.ModelProto, Any]]


def named_parameters(
    model: onnx.ModelProto, call: Callable[..., Any], params: Any, twin: Twin
) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Return a model whose initializers go by the paths of the parameters they hold.

    Two parameters of equal values, such as fresh biases, are told apart by a twin: the same
    form made with parameters of other values.

    Args:
        model: What jax2onnx made; it is not changed.
        call: The function; what it closes over are parameters where none are given apart.
        params: A pytree of arrays, or None.
        twin: Makes the twin, and gives its parameters too.

    Returns:
        The model, and the path by name of each initializer that holds a parameter.
    """
    own = _leaves(closed_over(call) if params is None else params)
    found, doubtful = _matched(model, own)
    if doubtful and params is not None:
        found |= _agreeing(model, own, *_twin_matched(twin))
    copy, names = renamed(model, found)
    return copy, {names.get(old, old): path for old, path in found.items()}


def closed_over(call: Callable[..., Any]) -> Any:
    """Return the arrays that a function closes over, by name; or itself, if a pytree.

    Args:
        call: A function, a bound method, or a callable pytree, as Equinox's modules are.
    """
    owner = getattr(call, "__self__", call)
    if not inspect.isfunction(call):
        return owner
    seen = inspect.getclosurevars(call)
    held = {
        name: value
        for name, value in (*seen.nonlocals.items(), *seen.globals.items())
        if any(map(_is_array, jax.tree.leaves(value)))
    }
    return next(iter(held.values())) if len(held) == 1 else held


def twin_parameters(params: Any) -> Any:
    """Return parameters of the same sizes and dtypes whose floats are all different.

    Args:
        params: A pytree of arrays of any shape.
    """
    random = np.random.default_rng(SEED)

    def other(leaf: Any) -> Any:
        if not _is_array(leaf) or not jax.numpy.issubdtype(leaf.dtype, np.floating):
            return leaf
        return jax.numpy.asarray(random.uniform(0.5, 1.5, leaf.shape), leaf.dtype)

    return jax.tree.map(other, params)


def drop_unread(model: onnx.ModelProto) -> None:
    """Remove the initializers of a model of ours that no node reads.

    jax2onnx leaves a parameter behind of which it stores a reshaped copy.

    Args:
        model: The model; it is changed.
    """
    read = {name for node in all_nodes(model.graph) for name in node.input}
    read |= {value.name for value in model.graph.output}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _leaves(params: Any) -> dict[str, Array]:
    """Return the arrays of a pytree by their paths."""
    paths, _ = jax.tree_util.tree_flatten_with_path(params)
    return {
        jax.tree_util.keystr(_bare(path), simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in paths
        if path and _is_array(leaf)
    }


def _bare(path: Sequence[Any]) -> tuple[Any, ...]:
    """Return a path up to the parameter: Flax's own class holds an array as its value."""
    *before, last = path
    return tuple(before) if before and last == HELD else tuple(path)


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and hasattr(leaf, "shape")


def _matched(
    model: onnx.ModelProto, leaves: Mapping[str, Array]
) -> tuple[dict[str, str], bool]:
    """Return the path of each initializer that only one leaf can be, and if some are left.

    A single number may be a literal of the code as well.
    """
    keys = {path: _key(leaf) for path, leaf in leaves.items()}
    shared = Counter(keys.values())
    paths = {key: path for path, key in keys.items()}
    held = {name: key for name, key in _initializers(model) if key in paths}
    sure = {
        name: paths[key]
        for name, key in held.items()
        if shared[key] == 1 and leaves[paths[key]].size > 1
    }
    return sure, len(sure) < len(held)


def _twin_matched(twin: Twin) -> tuple[onnx.ModelProto, dict[str, str]]:
    model, params = twin()
    keys = {_key(leaf): path for path, leaf in _leaves(params).items()}
    return model, {name: keys[key] for name, key in _initializers(model) if key in keys}


def _agreeing(
    model: onnx.ModelProto,
    leaves: Mapping[str, Array],
    other: onnx.ModelProto,
    found: Mapping[str, str],
) -> dict[str, str]:
    """Return what the twin says, where it is the same graph and the values are the leaf's.

    Args:
        model: The model.
        leaves: Its parameters by path.
        other: The twin.
        found: Path by name of the twin's initializers.
    """
    if [node.output for node in model.graph.node] != [n.output for n in other.graph.node]:
        return {}
    own = dict(_initializers(model))
    return {
        name: path for name, path in found.items() if own.get(name) == _key(leaves[path])
    }


def _initializers(model: onnx.ModelProto) -> Iterator[tuple[str, Key]]:
    for tensor in model.graph.initializer:
        yield tensor.name, _key(numpy_helper.to_array(tensor))


def _key(value: Array) -> Key:
    return str(value.dtype), value.size, np.sort(value, axis=None).tobytes()
