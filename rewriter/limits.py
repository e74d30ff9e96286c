"""How long a repair goes on trying."""

import math
import time
from dataclasses import dataclass, field

from analyzer.core.errors import PivotfixError
from analyzer.core.options import Progress

ROUNDS = 8
"""Passes over what earlier fixes unmasked. A round goes on only where the one before it
kept something, and a region rarely hides another: three rounds were the most ever seen."""


class TimeUpError(PivotfixError):
    """The time for trying was up in the middle of an analysis."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a repair stops trying, whatever is left.

    Attributes:
        rounds: Passes over the faults, each with a new analysis.
        seconds: From now on; what was kept by then is still proven and written.
        started: Seconds of a clock that only goes forward.
    """

    rounds: int = ROUNDS
    seconds: float = math.inf
    started: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        """Whether the time for trying is up."""
        return time.monotonic() - self.started >= self.seconds

    def watched(self, progress: Progress) -> Progress:
        """Return what is told how far an analysis is, and ends it when the time is up.

        Args:
            progress: Told the same, as long as there is time.

        Raises:
            TimeUpError: From what is returned, at the first stage that begins too late.
        """

        def told(doing: str, share: float) -> None:
            if self.is_over:
                raise TimeUpError(self.too_late, hint="give --timeout more seconds")
            progress(doing, share)

        return told

    @property
    def too_late(self) -> str:
        """The sentence on a time that is up."""
        return f"the {self.seconds:g} seconds of --timeout were over"

    @property
    def too_often(self) -> str:
        """The sentence on a round that is not begun."""
        return f"--max-rounds {self.rounds} was reached"
