"""What the user's own function builds, in the child: a module of torch, or of JAX."""

import importlib.util
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.core.errors import LoadError
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.words import one_line
from analyzer.frontends.needed import require

FORM_HINT = (
    "return (module, example_inputs) of torch, or (function, example_inputs) or "
    "(function, params, example_inputs) of JAX; the inputs are a tuple, or a dict by name"
)

EXTRAS = {
    "torch": "torch",
    "torchvision": "torch",
    "onnxscript": "torch",
    "jax": "jax",
    "jaxlib": "jax",
    "flax": "jax",
    "equinox": "jax",
    "jax2onnx": "jax",
}
"""The extra that brings a package which a factory may import."""

LEAST_PARTS = 2


def load(path: str, *, trust_code: bool) -> Loaded:
    """Return what a factory builds, with its pivot.

    Args:
        path: ``file.py:factory``.
        trust_code: True; the caller refuses without it.

    Raises:
        LoadError: The file does not run, its factory gives something else, or what reads
            that is not installed.
    """
    del trust_code
    product = product_of(path)
    if is_of_jax(product):
        require(path, ("jax", "jax2onnx"), "jax")
        reader = import_module("analyzer.frontends.child.from_function")
        return reader.imported(path, product)  # type: ignore[no-any-return]  # a Loaded
    if "torch" not in sys.modules:
        raise misformed(path, product)
    require(path, ("torch", "onnxscript"), "torch")
    reader = import_module("analyzer.frontends.child.from_module")
    return reader.imported(path, reader.module_of(path, product))  # type: ignore[no-any-return]  # the same


def product_of(path: str) -> Any:
    """Return what a factory gives.

    Args:
        path: ``file.py:factory``.

    Raises:
        LoadError: The file does not run, or has no such function.
    """
    file, _, name = path.rpartition(":")
    factory = getattr(_imported(path, file), name, None)
    if not callable(factory):
        raise LoadError(f"{file} has no function {name}", hint=f"define {name}() in it")
    _seed()
    try:
        return factory()
    except Exception as surprise:  # the user's code may raise anything
        raise _failed(path, surprise) from surprise


def _seed() -> None:
    """Let a factory that draws its example inputs draw the same ones in every run."""
    np.random.seed(SEED)  # noqa: NPY002  # the generator that the user's code may draw from
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(SEED)


SEED = 0


def is_of_jax(product: Any) -> bool:
    """Return whether a factory gives a function and arrays that JAX can run it with.

    Parameters may have been read as plain NumPy arrays; the file has imported JAX then.

    Args:
        product: What the factory gave.
    """
    jax = sys.modules.get("jax")
    if jax is None or not isinstance(product, (tuple, list)) or len(product) < LEAST_PARTS:
        return False
    torch = sys.modules.get("torch")
    function, *given = product
    if not callable(function) or (torch and isinstance(function, torch.nn.Module)):
        return False
    return all(hasattr(leaf, "dtype") for leaf in jax.tree.leaves(given[-1]))


def misformed(path: str, product: Any) -> LoadError:
    """Return the error for a factory that gives something else.

    Args:
        path: ``file.py:factory``.
        product: What it gave.
    """
    return LoadError(
        f"{path} returns a {type(product).__name__}, not a module and example inputs",
        hint=FORM_HINT,
    )


def _imported(path: str, file: str) -> Any:
    sys.path.insert(0, str(Path(file).resolve().parent))
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    if spec is None or spec.loader is None:
        raise LoadError(f"{file} cannot be imported", hint="name a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as surprise:  # the user's code may raise anything
        raise _failed(path, surprise) from surprise
    return module


def _failed(path: str, surprise: Exception) -> LoadError:
    name = getattr(surprise, "name", None)
    package = str(name).partition(".")[0] if isinstance(surprise, ImportError) else ""
    extra = EXTRAS.get(package)
    return LoadError(
        f"{path} fails with {one_line(surprise)}",
        hint=f"pip install 'pivotfix[{extra}]'"
        if extra
        else "run the file by itself first",
    )
