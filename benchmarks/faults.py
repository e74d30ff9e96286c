"""What `repair` mends, and what it harms: ``python benchmarks/faults.py --seeds 0-99``.

Every pair of the localization benchmark goes through `repair`; what it wrote is judged by
ONNX Runtime and NumPy on fresh probes. Prints, for every rule, every mutator and every
conversion, how many faults are localized and called rightly, how many pairs are repaired to
the noise floor, improved, unrepaired or made worse; and how many healthy ones were edited.
Writes them, with every miss, to ``results/faults.json``. Rows are kept by the source code
of what is measured, so that a run that was stopped continues where it was.
"""

import sys
from collections.abc import Sequence

from localization import arguments, measured
from repair_tables import publish
from repairs import perform

MEASURED = ("analyzer", "rewriter", "rules", "benchmarks")


def main(words: Sequence[str]) -> int:
    """Run what is missing, print the tables, write them."""
    return measured(arguments(words, "faults", __doc__), perform, publish, MEASURED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
