"""What is left in a region counts against the fault that was in it."""

from dataclasses import replace

from rewriter.kept import bound
from tests.rewriter.told import FLOOR, fault


def test_rounding_of_a_fix_is_allowed_for() -> None:
    """Twice the floor is mended where the fault was far above it."""
    assert bound(fault("y")) == 2 * FLOOR


def test_fault_just_above_its_floor_is_not_taken_for_mended() -> None:
    """What diff calls a fault, no repair calls rounding."""
    small = replace(fault("y"), local_error=1.5 * FLOOR)

    assert bound(small) == FLOOR
