"""The exceptions a user can meet, each with an object, a surprise and a next step.

PivotfixError
├── UsageError     an option or a path is wrong
├── LoadError      a file does not parse, or nothing installed can read it
├── RunError       a model parses but does not load or run in its runtime
├── RepairError    an edit cannot be applied
└── ExportError    a repaired model cannot be written back
"""


class PivotfixError(Exception):
    """A problem the user can act on.

    Args:
        problem: The object and the surprise, in one sentence.
        hint: The next step, in one sentence.
    """

    def __init__(self, problem: str, *, hint: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        """Return the problem and the next step as one message."""
        return f"{self.problem}\n  next: {self.hint}"


class UsageError(PivotfixError):
    """An option, or a path given as one, is wrong."""


class LoadError(PivotfixError):
    """A model file does not parse, or nothing installed can read it."""


class RunError(PivotfixError):
    """A model parses, but its runtime will not load or run it.

    Args:
        problem: The object and the surprise, in one sentence.
        hint: The next step, in one sentence.
        node: Name of the pivot node the runtime stopped at, empty where unknown.
        loading: Whether the runtime stopped before the first run.
    """

    def __init__(
        self, problem: str, *, hint: str, node: str = "", loading: bool = False
    ) -> None:
        super().__init__(problem, hint=hint)
        self.node = node
        self.loading = loading


class RepairError(PivotfixError):
    """An edit does not fit the model it is meant for."""


class ExportError(PivotfixError):
    """A repaired model cannot be written back in its own format."""
