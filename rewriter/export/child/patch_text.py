"""The text of a patch script: what builds a user's module, changes it, and gives it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

from rewriter.export.marked import marked

TEMPLATE = Template('''"""Mends the module that $factory builds.

It was written by `pivotfix repair`, to be reviewed and then carried over to that file.
"""

import importlib.util
import sys
from pathlib import Path

import torch

FACTORY = $quoted
$program

def apply(module):
    """Change a module that FACTORY has built, and return it."""
    module.eval()
$lines
    return module


def factory():
    """Return what FACTORY builds, mended."""
    file, _, name = FACTORY.rpartition(":")
    sys.path.insert(0, str(Path(file).parent))
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    built = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = built
    spec.loader.exec_module(built)
    module, *inputs = getattr(built, name)()
    return apply(module), *inputs
''')

PROGRAM = '''
HERE = Path(__file__)
PROGRAM = HERE.with_name(HERE.stem.removesuffix("_patch") + ".pt2")
"""The repaired program beside this file, which has the weights."""
'''


def written(factory: str, lines: Sequence[str], weights: Sequence[str]) -> str:
    """Return the text of a patch script.

    Args:
        factory: ``file.py:factory`` of the user's module.
        lines: What changes the module.
        weights: Names of weights to be taken from the program beside it.
    """
    file, _, name = factory.rpartition(":")
    whole = f"{Path(file).resolve()}:{name}"
    held = list(_weights(weights)) + list(lines)
    body = "\n".join(f"    {line}" for line in held)
    program = PROGRAM if weights else ""
    return marked(
        TEMPLATE.substitute(factory=whole, quoted=repr(whole), program=program, lines=body)
    )


def _weights(names: Sequence[str]) -> Iterator[str]:
    if not names:
        return
    yield "mended = torch.export.load(PROGRAM).state_dict"
    yield "own = module.state_dict()"
    yield "with torch.no_grad():"
    for name in names:
        yield f"    own[{name!r}].copy_(mended[{name!r}])"
