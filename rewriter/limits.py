"""How long a repair goes on trying."""

import math
import time
from dataclasses import dataclass, field

ROUNDS = 8
"""Passes over what earlier fixes unmasked. A round goes on only where the one before it
kept something, and a region rarely hides another: three rounds were the most ever seen."""


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

    @property
    def too_late(self) -> str:
        """The sentence on a time that is up."""
        return f"the {self.seconds:g} seconds of --timeout were over"

    @property
    def too_often(self) -> str:
        """The sentence on a round that is not begun."""
        return f"--max-rounds {self.rounds} was reached"
