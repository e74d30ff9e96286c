"""What the code in a TorchScript archive may say before torch compiles and runs it.

TorchScript is no Python, and its load runs none. But ``__setstate__`` runs on load, a model
runs when it is compared, and both can call the operators that write and read files. This is
a filter, not a sandbox: a model that nobody vouches for belongs in a container.
"""

import ast
from collections.abc import Iterator

FORBIDDEN = frozenset({"save", "from_file"})
"""Operators that open a file that the code names; as ``aten::save`` writes, a module's
``__setstate__`` can write on load. Tensors have every operator as a method."""

NAMESPACES = frozenset({"aten", "prim", "quantized", "torchvision"})
"""Operators of torch itself and of its image library; others may do anything."""

CLASSES = ("__torch__", "torch", "classes")
UNNAMED = frozenset({("ops",), CLASSES[:1], CLASSES[:2], CLASSES})
"""Names that mean nothing alone: passed on, they would reach a library under another."""

HARMLESS_CLASSES = frozenset({"quantized"})
"""Classes written in C++ that only hold weights; others load libraries and models."""


def script_dangers(name: str, code: str) -> Iterator[str]:
    """Yield a sentence for each part of a TorchScript file that opens files.

    Args:
        name: The member of the archive.
        code: Its text, which is a subset of Python's.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield f"its member {name} is no TorchScript"
        return
    read = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        yield from (f"its member {name} {said}" for said in _dangers(node))
        if id(node) not in read and _path(node) in UNNAMED:
            yield f"its member {name} passes {'.'.join(_path(node))} on, a library's name"


def _dangers(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Attribute(attr=name) if name in FORBIDDEN:
            yield f"calls {name}, which opens files"
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name))]):
            if name in FORBIDDEN:
                yield f"calls {name}, which opens files"
        case ast.Call(func=ast.Name(id="getattr")):
            yield "reads an attribute without a name"
        case ast.Attribute():
            yield from _strangers(_path(node))


def _strangers(path: tuple[str, ...]) -> Iterator[str]:
    match path:
        case ("ops", namespace, *_) if namespace not in NAMESPACES:
            yield f"calls operators of {namespace}, a library of its own"
        case (*start, family, _) if tuple(start) == CLASSES:
            if family not in HARMLESS_CLASSES:
                yield f"makes an object of torch.classes.{family}"


def _path(node: ast.AST) -> tuple[str, ...]:
    """Return the names of ``a.b.c``; nothing where it begins with anything else."""
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=inner, attr=name):
            start = _path(inner)
            return (*start, name) if start else ()
    return ()
