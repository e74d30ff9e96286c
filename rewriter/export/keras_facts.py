"""What a saved Keras model states beside what it computes."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import ZipFile

from rewriter.export.facts import archived, digest
from rewriter.export.keras_file import CONFIG, WEIGHTS, stated

METADATA = "metadata.json"
"""The member of a ``.keras`` archive that says who wrote it."""

COMPILED = "compile_config"
"""Where a ``.keras`` archive's configuration says how the model is trained."""


def archive_facts(path: Path) -> Mapping[str, str]:
    """Return who wrote a ``.keras`` archive, how it is trained, and files beside it.

    Args:
        path: A file that was loaded before.
    """
    return dict(_archive(path))


def _archive(path: Path) -> Iterator[tuple[str, str]]:
    with ZipFile(path) as archive:
        config = json.loads(archive.read(CONFIG))
        about = json.loads(archive.read(METADATA)) if METADATA in archive.namelist() else {}
    yield from ((what.replace("_", " "), str(value)) for what, value in about.items())
    trained = json.dumps(config.get(COMPILED), sort_keys=True)
    yield "training configuration", digest(trained.encode())
    yield from archived(path, {CONFIG, WEIGHTS, METADATA})


def hdf5_facts(path: Path) -> Mapping[str, str]:
    """Return the attributes and groups of an ``.h5`` file that say nothing of its layers.

    Args:
        path: A file that was loaded before.
    """
    attributes, groups = stated(path)
    told = {name.replace("_", " "): value for name, value in attributes.items()}
    return {**told, "groups": ", ".join(groups)}
