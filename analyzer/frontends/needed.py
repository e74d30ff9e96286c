"""Whether the packages that read a model are installed, and what to do if not."""

from collections.abc import Iterable
from importlib.util import find_spec

from analyzer.core.errors import LoadError


def require(path: str, needs: Iterable[str], extra: str) -> None:
    """Refuse a model whose importer needs a package that is not installed.

    Args:
        path: The model, as the user gave it.
        needs: The packages.
        extra: The extra that brings them, as pip takes it.

    Raises:
        LoadError: With the pip line that installs it.
    """
    missing = [package for package in needs if find_spec(package) is None]
    if missing:
        raise LoadError(
            f"{path} needs {' and '.join(missing)} to be imported, not installed here",
            hint=f"pip install 'pivotfix[{extra}]'",
        )
