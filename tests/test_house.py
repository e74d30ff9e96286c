"""The house rules of CONTRIBUTING.md that ruff, mypy and import-linter cannot hold."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from analyzer.core import errors

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("analyzer", "rewriter", "rules")
LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
"""A ceiling for the rare `match` that is one thought; 25 is long, 8 is typical."""

DRAWERS = {"util", "utils", "helper", "helpers", "misc", "common", "manager", "info"}
RULE_PARTS = {"detect", "explain", "repair", "sabotage"}
"""What a rule file may define; `rules/base.py` documents them once for all."""

PROBLEMS = {
    name
    for name, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, errors.PivotfixError)
}
FILLERS = {"a", "an", "of", "return", "returns", "the"}
PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)[^{}]*\}")
SHORTEST_PROBLEM = 3
"""Words; fewer cannot name both an object and a surprise."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Module:
    """A Python file, as text and as a syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The path from the repository's top."""
        return self.path.relative_to(ROOT).as_posix()

    def at(self, line: int) -> str:
        """Return a line of this file as editors open it."""
        return f"{self.name}:{line}"


def modules(*folders: str) -> Iterator[Module]:
    """Yield every Python file of ours in some folders, and cli.py with the product's."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    top = [ROOT / "cli.py"] if "analyzer" in folders and (ROOT / "cli.py").exists() else []
    for path in (*top, *paths):
        if any(part.startswith(".") for part in path.relative_to(ROOT).parts):
            continue
        yield parsed(path)


@cache
def parsed(path: Path) -> Module:
    """Return a file with its syntax tree; every test reads the same one."""
    text = path.read_text(encoding="utf-8")
    return Module(path, text, ast.parse(text))


def functions(module: Module) -> Iterator[Function]:
    """Yield every function and method of a file, nested ones included."""
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            yield node


def public(body: list[ast.stmt]) -> Iterator[Documented]:
    """Yield the classes, functions and methods that others may use, outermost first."""
    for node in body:
        if not isinstance(node, Documented) or node.name.startswith("_"):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            yield from public(node.body)


def docstrings(tree: ast.Module) -> set[int]:
    """Return the identities of the string constants that stand alone as documentation."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def length(function: Function) -> int:
    """Return a function's lines from its name to its end, its docstring left out."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    first = function.body[0]
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1)


def problems(module: Module) -> Iterator[ast.Call]:
    """Yield every place that makes one of the errors a user can meet."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                if name in PROBLEMS:
                    yield node


def words(node: ast.expr) -> str:
    """Return the fixed text of a string or f-string; empty for any other expression."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(words(part) or "{}" for part in parts)
        case ast.BinOp(left=left, right=right):
            return words(left) + words(right)
        case _:
            return ""


def test_no_module_is_longer_than_one_sitting() -> None:
    """A file of more than 400 lines holds two things."""
    long = {
        module.name: lines
        for module in modules(*PRODUCT, "tests", "benchmarks")
        if (lines := module.text.count("\n")) > LONGEST_MODULE
    }

    assert long == {}


def test_no_function_is_longer_than_a_page() -> None:
    """A function that does not fit on a page tells more than one story."""
    long = {
        f"{module.at(function.lineno)} {function.name}": lines
        for module in modules(*PRODUCT, "tests", "benchmarks")
        for function in functions(module)
        if (lines := length(function)) > LONGEST_FUNCTION
    }

    assert long == {}


def test_no_module_is_a_drawer() -> None:
    """A file is named after what it holds, never after having nowhere else to go."""
    drawers = [
        module.name
        for module in modules(*PRODUCT, "tests", "benchmarks")
        if DRAWERS & set(module.path.stem.split("_"))
    ]

    assert drawers == []


def test_every_test_is_a_sentence() -> None:
    """A test says in its docstring which one behaviour it holds."""
    mute = [
        f"{module.at(function.lineno)} {function.name}"
        for module in modules("tests")
        for function in functions(module)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]

    assert mute == []


def test_everything_public_is_documented() -> None:
    """Whoever may call it can read what they get; a rule's four parts are told once."""
    bare = [
        f"{module.at(node.lineno)} {node.name}"
        for module in modules(*PRODUCT)
        for node in public(module.tree.body)
        if not ast.get_docstring(node)
        and not (module.name.startswith("rules/") and node.name in RULE_PARTS)
    ]

    assert bare == []


def test_no_docstring_is_the_name_again() -> None:
    """A docstring that only repeats its function's words says nothing."""
    echoes = [
        f"{module.at(node.lineno)} {node.name}"
        for module in modules(*PRODUCT)
        for node in public(module.tree.body)
        if isinstance(node, Function)
        and (said := ast.get_docstring(node))
        and set(re.findall(r"\w+", said.lower())) <= FILLERS.union(node.name.split("_"))
    ]

    assert echoes == []


def test_every_error_has_a_next_step() -> None:
    """Every error names an object and a surprise, and its hint is another sentence."""
    silent = [
        module.at(call.lineno)
        for module in modules(*PRODUCT)
        for call in problems(module)
        if "hint" not in {keyword.arg for keyword in call.keywords}
    ]
    short = [
        f"{module.at(call.lineno)} {said!r}"
        for module in modules(*PRODUCT)
        for call in problems(module)
        if call.args
        and (said := words(call.args[0]))
        and len(said.split()) < SHORTEST_PROBLEM
    ]
    empty = [
        module.at(call.lineno)
        for module in modules(*PRODUCT)
        for call in problems(module)
        for keyword in call.keywords
        if keyword.arg == "hint"
        and isinstance(keyword.value, ast.Constant)
        and not keyword.value.value
    ]

    assert silent == []
    assert short == []
    assert empty == []


def test_no_message_lost_its_f() -> None:
    """A ``{name}`` in a plain string whose file knows the name was to be filled in."""
    lost = [
        f"{module.at(node.lineno)} {node.value!r}"
        for module in modules(*PRODUCT, "tests", "benchmarks")
        for node in plain_strings(module)
        if forgotten_names(module, node)
    ]

    assert lost == []


def plain_strings(module: Module) -> Iterator[ast.Constant]:
    """Yield string constants that are neither documentation nor part of an f-string."""
    skipped = docstrings(module.tree)
    for node in ast.walk(module.tree):
        match node:
            case ast.JoinedStr(values=parts):
                skipped |= {id(part) for part in parts}
            case ast.Call(func=ast.Attribute(value=ast.Constant() as text, attr="format")):
                skipped.add(id(text))
    for node in ast.walk(module.tree):
        match node:
            case ast.Constant(value=str()) if id(node) not in skipped:
                yield node


def forgotten_names(module: Module, node: ast.Constant) -> set[str]:
    """Return the placeholders of a plain string that are variables of its file."""
    if not PLACEHOLDER.search(node.value):
        return set()
    known = {item.id for item in ast.walk(module.tree) if isinstance(item, ast.Name)}
    known |= {item.arg for item in ast.walk(module.tree) if isinstance(item, ast.arg)}
    return set(PLACEHOLDER.findall(node.value)) & known


def test_no_task_is_left_in_a_comment() -> None:
    """Work that is left to do stands in an issue, not in the code."""
    marker = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    left = [
        module.at(number)
        for module in modules(*PRODUCT, "tests", "benchmarks")
        for number, line in enumerate(module.text.splitlines(), start=1)
        if marker.search(line)
    ]

    assert left == []


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """No code and no document holds an absolute path of somebody's machine."""
    machine = re.compile(r"(?<![\w.])/(home|root|Users|work|opt|mnt)/\w")
    documents = [path for end in ("md", "toml", "txt") for path in ROOT.glob(f"*.{end}")]
    sources = [module.path for module in modules(*PRODUCT, "tests", "benchmarks")]
    told = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (*documents, *sources, ROOT / "Makefile")
        for number, line in enumerate(
            path.read_text(encoding="utf-8").splitlines(), start=1
        )
        if machine.search(line)
    ]

    assert told == []


def test_every_folder_is_a_package() -> None:
    """A folder without ``__init__.py`` would be missing from the wheel."""
    bare = {
        module.path.parent.relative_to(ROOT).as_posix()
        for module in modules(*PRODUCT)
        if module.path.parent != ROOT and not (module.path.parent / "__init__.py").exists()
    }

    assert bare == set()


def test_tests_mirror_the_tree() -> None:
    """The tests of a folder stand in the folder of the same name."""
    strays = [
        folder.relative_to(ROOT).as_posix()
        for package in PRODUCT
        for folder in (ROOT / "tests" / package).rglob("*")
        if folder.is_dir()
        and not folder.name.startswith(("__", "."))
        and not mirrored(folder.relative_to(ROOT / "tests")).exists()
    ]

    assert strays == []


def mirrored(folder: Path) -> Path:
    """Return the folder these tests are for, or the module that has a folder of tests."""
    module = ROOT / folder.with_suffix(".py")
    return module if module.exists() else ROOT / folder
