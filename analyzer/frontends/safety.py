"""What a saved torch program may say before torch, which evaluates parts of it, reads it.

``torch.export.load`` runs code that a file brings along in several ways: it unpickles
sample inputs, weights and constants, evaluates the text of symbolic sizes, calls whatever
function of the torch package a node names, compiles guards, and pastes names into source.
This is a filter, not a sandbox: a model that nobody vouches for belongs in a container.
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SYMBOL = re.compile(r"[a-z]{1,4}\d+")
"""How torch names symbolic sizes: ``s77``, ``u0``, ``zuf3``."""

EXPRESSION_WORDS = frozenset(
    {
        "Symbol",
        "Integer",
        "Float",
        "Rational",
        "Half",
        "One",
        "Zero",
        "NegativeOne",
        "Add",
        "Mul",
        "Pow",
        "Max",
        "Min",
        "Mod",
        "Abs",
        "PythonMod",
        "FloorDiv",
        "CleanDiv",
        "CeilDiv",
        "ModularIndexing",
        "Where",
        "PowByNatural",
        "FloatPow",
        "FloatTrueDiv",
        "IntTrueDiv",
        "CeilToInt",
        "FloorToInt",
        "RoundToInt",
        "RoundDecimal",
        "TruncToInt",
        "TruncToFloat",
        "ToFloat",
        "LShift",
        "RShift",
        "IsNonOverlappingAndDenseIndicator",
        "Eq",
        "Ne",
        "Le",
        "Lt",
        "Ge",
        "Gt",
        "Equality",
        "Unequality",
        "LessThan",
        "StrictLessThan",
        "GreaterThan",
        "StrictGreaterThan",
        "And",
        "Or",
        "Not",
        "Piecewise",
        "ExprCondPair",
        "Tuple",
        "true",
        "false",
        "True",
        "False",
        "positive",
        "negative",
        "nonnegative",
        "integer",
        "real",
        "zero",
        "finite",
        "precision",
        "evaluate",
        "oo",
        "int_oo",
        "Infinity",
    }
)
"""The functions and keywords that torch writes into a symbolic size."""

EXPRESSION = re.compile(r"(?:[\w\s+\-*/%(),=<>&|~]|'\w+'|'[\d.e+\-]+'|\d\.\d*|\.\d)*")
"""No attribute access, no subscript, no string but a symbol's name or a number."""

EXPRESSION_LENGTH = 4000
"""Characters; the sizes of real models take a few hundred."""

OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims|higher_order|quantized_decomposed|torchvision|_c10d_functional)"
    r"\.(__(and|or|xor|lshift|rshift)__|(?!__)\w+)(\.(?!__)\w+)?"
    r"|_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge"
    r"|and_|or_|xor|not_|invert|lshift|rshift|getitem)"
    r"|math\.\w+|torch\.sym_\w+|torch\._sym_\w+"
)
"""The callables a node may name: registered operators and arithmetic on sizes. Torch calls
what a node names; one that reads attributes or calls what it is given is all of Python."""

READING_OPERATORS = re.compile(r"(?i)from_file|call_delegate|torchbind|triton|\bsystem\b")
"""Registered operators that read files, or that run what a backend compiled."""

WORD = re.compile(r"\w*")
NAME = re.compile(r"[\w.\-/:+<>\[\]$#@* ,]*")
"""Names of tensors, parameters, modules, devices: nothing that ends a string or a call."""

IDENTIFIERS = frozenset({"name", "as_name", "forward_arg_names"})
"""Fields that torch pastes into the source of a function as they are."""

FREE_TEXT = frozenset({"as_string", "metadata", "stack_trace"})
"""Fields that torch keeps as text, or writes as a quoted literal."""

NESTED = frozenset({"in_spec", "out_spec"})
"""Fields that hold JSON within JSON."""

IMPORTING = frozenset({"__enum__", "default_factory_module"})
"""Keys at which torch imports the module that stands beside them."""

GUARD_CALLS = frozenset({"size", "stride", "storage_offset", "dim", "numel", "isnan"})
GUARD_NODES = (
    ast.Expression,
    ast.Compare,
    ast.BoolOp,
    ast.BinOp,
    ast.UnaryOp,
    ast.Subscript,
    ast.Constant,
    ast.Load,
    ast.cmpop,
    ast.boolop,
    ast.operator,
    ast.unaryop,
)
"""What a guard on the shape of an input is made of."""


def dangers(document: object) -> Iterator[str]:
    """Yield a sentence for each part of a program's JSON that torch might run as code.

    Args:
        document: A parsed ``models/*.json``.
    """
    yield from _walk(document, "")


def _walk(value: object, field: str) -> Iterator[str]:
    match value:
        case dict():
            yield from _mapping(value, field)
        case list():
            for item in value:
                yield from _walk(item, field)
        case str():
            yield from _text(value, field)


def _mapping(value: Mapping[str, Any], field: str) -> Iterator[str]:
    if IMPORTING & set(value):
        yield f"its field {field} names a module to import"
    if {"target", "inputs", "outputs"} <= set(value):
        yield from _operator(value["target"])
    for key, item in value.items():
        if not NAME.fullmatch(key) and field not in FREE_TEXT:
            yield f"a name in its field {field} is code: {shortened(key)}"
        if key not in FREE_TEXT:
            yield from _walk(item, key)


def _text(value: str, field: str) -> Iterator[str]:
    if field in NESTED:
        yield from _nested(value, field)
    elif field == "expr_str":
        yield from expression(value)
    elif field == "as_operator":
        yield from _operator(value)
    elif field == "guards_code":
        yield from guard(value)
    elif not (WORD if field in IDENTIFIERS else NAME).fullmatch(value):
        yield f"its field {field} is code: {shortened(value)}"


def _nested(value: str, field: str) -> Iterator[str]:
    """Yield dangers of JSON that stands in a string, to any depth."""
    try:
        inner = json.loads(value)
    except ValueError:
        if any(key in value for key in IMPORTING):
            yield f"its field {field} names a module to import"
        return
    if isinstance(inner, dict) and IMPORTING & set(inner):
        yield f"its field {field} names a module to import"
    for item in _items(inner):
        yield from _nested(item, field) if isinstance(item, str) else _deeper(item, field)


def _deeper(value: object, field: str) -> Iterator[str]:
    yield from _nested(json.dumps(value), field) if isinstance(value, dict | list) else ()


def _items(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _operator(target: object) -> Iterator[str]:
    known = isinstance(target, str) and OPERATOR.fullmatch(target)
    if not known or READING_OPERATORS.search(str(target)):
        yield f"a node calls {shortened(str(target))}, which is no operator of torch"


def expression(text: str) -> Iterator[str]:
    """Yield a sentence where the text of a symbolic size holds more than arithmetic.

    Args:
        text: As torch saved it, such as ``Mul(Integer(2), Symbol('s77', positive=True))``.
    """
    words = re.findall(r"[^\W\d]\w*", text)
    strange = [w for w in words if w not in EXPRESSION_WORDS and not SYMBOL.fullmatch(w)]
    plain = EXPRESSION.fullmatch(text) and len(text) <= EXPRESSION_LENGTH
    if strange or not plain:
        yield f"a symbolic size is code: {shortened(text)}"


def guard(text: str) -> Iterator[str]:
    """Yield a sentence where a guard holds more than comparisons of input sizes.

    Args:
        text: As torch saved it, such as ``L['y'].size()[0] == L['x'].size()[0]``.
    """
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield f"a guard is not an expression: {shortened(text)}"
        return
    if not all(_is_arithmetic(node) for node in ast.walk(tree)):
        yield f"a guard is code: {shortened(text)}"


def _is_arithmetic(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in GUARD_CALLS
        case ast.Call(func=ast.Name(id=name)):
            return name in EXPRESSION_WORDS
        case ast.Attribute(attr=name):
            return name in GUARD_CALLS or name == "inf"
        case ast.Constant(value=str(key)):
            return bool(WORD.fullmatch(key))
        case ast.Name(id=name):
            return name in {"L", "math", "inf"} or name in EXPRESSION_WORDS
        case _:
            return isinstance(node, GUARD_NODES)


def shortened(text: str) -> str:
    """Return the beginning of a text, quoted, as a message can show it."""
    limit = 60
    return repr(text if len(text) <= limit else text[:limit] + "…")
