"""What files of several formats state beside what they compute, told in a few words."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from zipfile import ZipFile, is_zipfile

SHOWN = 12
"""Digits of a digest that tell two pieces of metadata apart in a sentence."""

SIGNED = frozenset({"version", "archive_version", "archive_format", "byteorder"})
"""Members of torch's archives that say how the others are to be read.

Source: https://docs.pytorch.org/docs/stable/user_guide/torch_compiler/export/pt2_archive.html
"""


def digest(content: bytes) -> str:
    """Return the first digits of the digest of some bytes."""
    return hashlib.sha256(content).hexdigest()[:SHOWN]


def archived(path: Path, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the members of a zip file by what they are, each with its digest.

    Args:
        path: The file.
        known: Names of members that say what is computed: they are left out.
    """
    with ZipFile(path) as archive:
        for name in archive.namelist():
            if name not in known and not name.endswith("/"):
                yield f"member {name}", digest(archive.read(name))


def torch_facts(path: Path) -> Mapping[str, str]:
    """Return the files saved beside a torch model, and how its archive is to be read.

    Args:
        path: A ``.pt2`` or ``.pt`` file, or a module's code, which states nothing.
    """
    if not is_zipfile(path):
        return {}
    with ZipFile(path) as archive:
        places = {name: PurePosixPath(name) for name in archive.namelist()}
        kept = {
            name: "/".join(place.parts[1:])
            for name, place in places.items()
            if "extra" in place.parts or place.name in SIGNED
        }
        return {f"member {own}": digest(archive.read(one)) for one, own in kept.items()}
