"""Is a converted model still the model that was trained? Where did it break, and why?"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analyzer.core.errors import PivotfixError
    from analyzer.core.options import Options
    from analyzer.core.report import Report
    from analyzer.diff import analyse
    from analyzer.pivot import load

__all__ = ["Options", "PivotfixError", "Report", "analyse", "load"]

_HOMES = {
    "Options": "analyzer.core.options",
    "PivotfixError": "analyzer.core.errors",
    "Report": "analyzer.core.report",
    "analyse": "analyzer.diff",
    "load": "analyzer.pivot",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attributes are of any type
    """Return a public name, imported on first use: what needs none stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
