"""The child's entry: ``python -m analyzer.frontends.child FAMILY READ WRITE FOLDER``."""

import sys
from pathlib import Path

from analyzer.frontends.child.serve import serve

if __name__ == "__main__":
    _, family, asked, answering, folder = sys.argv
    serve(family, int(asked), int(answering), Path(folder))
