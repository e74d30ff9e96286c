"""A progress bar on standard error for what takes longer than a second."""

from threading import Timer
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

PATIENCE = 1.0
"""Seconds before a bar appears: what is done by then needs none."""


class Bar:
    """A bar that may be told how far a run is, and leaves nothing behind."""

    def __init__(self) -> None:
        share = TextColumn("{task.percentage:>3.0f} %")
        words = TextColumn("{task.description}")
        columns = (words, BarColumn(), share, TimeElapsedColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("starting", total=1.0)
        self._timer = Timer(PATIENCE, self._bar.start)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        """Return the bar, which appears once a second is over."""
        self._timer.start()
        return self

    def __call__(self, stage: str, share: float) -> None:
        """Show what is being done and the share of it that is done.

        Args:
            stage: In words.
            share: In [0, 1].
        """
        self._bar.update(self._task, description=stage, completed=share)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        surprise: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._timer.cancel()
        self._timer.join()
        if self._bar.live.is_started:  # stopping what never began prints an empty line
            self._bar.stop()
