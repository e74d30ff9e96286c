"""What a saved Keras model holds, read and written with neither Keras nor TensorFlow.

A ``.keras`` file is a zip of ``config.json`` and an HDF5 file of weights; an ``.h5`` file
is HDF5, with the configuration in an attribute.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from analyzer.core.errors import ExportError
from analyzer.core.types import Array
from analyzer.frontends.needed import require

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
"""Members of a ``.keras`` archive."""

OWN_CONFIG, OWN_WEIGHTS, NAMES = "model_config", "model_weights", "layer_names"
"""An ``.h5`` file's attribute, its group of weights, and the attribute that orders them."""

OF_LAYER = "weight_names"
"""An attribute of a layer's group in an ``.h5`` file: the order of its weights."""

Config = dict[str, Any]
"""A model, or a layer, as Keras writes it to JSON."""


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """A saved Keras model.

    Attributes:
        path: The file.
        sha256: Digest of its bytes.
        config: What it says of its layers; not to be changed.
        weights: Its weights by their path in the HDF5 file.
        owners: The layer that each belongs to, as ``outer/inner``; of a file that does not
            say it, an empty string.
        groups: Every group that is a layer's, in the order they were made.
    """

    path: Path
    sha256: str
    config: Config
    weights: Mapping[str, Array]
    owners: Mapping[str, str]
    groups: Sequence[str]

    @property
    def is_archive(self) -> bool:
        """Whether it is a ``.keras`` archive."""
        return self.path.suffix.lower() == ".keras"


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What is written over a saved model; all else stays.

    Attributes:
        config: What it is to say of its layers; None: what it says.
        values: New weights by their path in the HDF5 file; groups that are not there are
            made.
        moved: Group by the group whose place it takes; an empty string: it goes.
        order: Layers in the order Keras has them; None: it stays. An ``.h5`` file says it.
        named: Groups that are made, with the name of the layer that each is of.
    """

    config: Config | None = None
    values: Mapping[str, Array] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)
    order: Sequence[str] | None = None
    named: Mapping[str, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def read(path: Path, sha256: str) -> Saved:
    """Return what a saved model holds.

    Args:
        path: The file.
        sha256: Digest of its bytes: the same file is read once.
    """
    require(str(path), ("h5py",), "tensorflow")
    import h5py

    if path.suffix.lower() == ".keras":
        with ZipFile(path) as archive:
            config = json.loads(archive.read(CONFIG))
            content = BytesIO(archive.read(WEIGHTS))
        with h5py.File(content, "r") as file:
            return Saved(path, sha256, config, *_archived(file))
    with h5py.File(path, "r") as file:
        config = json.loads(file.attrs[OWN_CONFIG])
        return Saved(path, sha256, config, *_legacy(file[OWN_WEIGHTS]))


def stated(path: Path) -> tuple[Mapping[str, str], Sequence[str]]:
    """Return the attributes of an ``.h5`` file, its layers apart, and its groups.

    Args:
        path: A file that was loaded before.
    """
    import h5py

    with h5py.File(path, "r") as file:
        told = {name: str(one) for name, one in file.attrs.items() if name != OWN_CONFIG}
        return told, sorted(file)


def rewritten(saved: Saved, new: Written) -> bytes:
    """Return the bytes of a saved model with something written over it.

    Args:
        saved: The model.
        new: What is written.
    """
    if not saved.is_archive:
        return _hdf5(saved.path.read_bytes(), new, own_config=True)
    result = BytesIO()
    with ZipFile(saved.path) as archive, ZipFile(result, "w") as copy:
        for member in archive.infolist():
            content = archive.read(member)
            if member.filename == CONFIG and new.config is not None:
                content = json.dumps(new.config).encode()
            if member.filename == WEIGHTS:
                content = _hdf5(content, new, own_config=False)
            copy.writestr(member, content)
    return result.getvalue()


Content = tuple[dict[str, Array], dict[str, str], list[str]]


def _archived(file: Any) -> Content:  # noqa: ANN401  # untyped package
    """Return an archive's weights; each group of variables says whose they are."""
    weights: dict[str, Array] = {}
    owners: dict[str, str] = {}
    groups: list[str] = []

    def visit(name: str, found: Any) -> None:  # noqa: ANN401
        if name.endswith("/vars"):
            groups.append(name.removesuffix("/vars"))
        if hasattr(found, "shape"):
            weights[name] = np.asarray(found)
            owners[name] = "/".join(_names(file, name))

    file.visititems(visit)
    return weights, owners, groups


def _names(file: Any, name: str) -> Iterator[str]:  # noqa: ANN401
    """Yield the names of the layers that a dataset lies in, the outermost first."""
    parts = name.split("/")
    for depth in range(1, len(parts)):
        own = file["/".join(parts[:depth])].get("vars")
        if own is not None and "name" in own.attrs:
            yield str(own.attrs["name"])


def _legacy(group: Any) -> Content:  # noqa: ANN401
    """Return the weights of an ``.h5`` file; a layer's group is called as it is."""
    weights: dict[str, Array] = {}
    owners: dict[str, str] = {}
    for layer in group:
        for name in map(_text, group[layer].attrs.get(OF_LAYER, ())):
            path = f"{OWN_WEIGHTS}/{layer}/{name}"
            weights[path] = np.asarray(group[layer][name])
            *inside, _ = name.split("/")
            places = [place for place, part in enumerate(inside) if part == layer]
            inside = inside[places[-1] + 1 :] if places else inside
            owners[path] = "/".join([layer, *inside])
    return weights, owners, [f"{OWN_WEIGHTS}/{layer}" for layer in group]


def _text(name: Any) -> str:  # noqa: ANN401
    return name.decode() if isinstance(name, bytes) else str(name)


def _hdf5(content: bytes, new: Written, *, own_config: bool) -> bytes:
    import h5py

    place = BytesIO(content)
    with h5py.File(place, "r+") as file:
        _move(file, new.moved)
        for name, value in new.values.items():
            _put(file, name, value)
        for group, name in new.named.items() if not own_config else ():
            file.require_group(f"{group}/vars").attrs["name"] = name
        if own_config and new.config is not None:
            told = _as_long(new.config, file.attrs[OWN_CONFIG])
            file.attrs.modify(OWN_CONFIG, told)
        if own_config and new.order is not None:
            _order(file[OWN_WEIGHTS], new.order)
    return place.getvalue()


def _as_long(config: Config, was: str | bytes) -> bytes:
    """Return a configuration as many bytes long as the one it replaces, if it fits.

    HDF5 gives a longer one a place of its own and leaves the old one's empty.
    """
    room = len(was if isinstance(was, bytes) else was.encode())
    told = json.dumps(config).encode()
    if len(told) > room:
        told = json.dumps(config, separators=(",", ":")).encode()
    return told.ljust(room)


def _move(file: Any, moved: Mapping[str, str]) -> None:  # noqa: ANN401
    """Give groups their new names: all aside first, since some take others' names."""
    for old in moved:
        file.move(old, f"{old} aside")
    for old, new in moved.items():
        if new:
            file.move(f"{old} aside", new)
        else:
            del file[f"{old} aside"]


def _put(file: Any, name: str, value: Array) -> None:  # noqa: ANN401
    if name in file:
        file[name][...] = value
        return
    file.create_dataset(name, data=value)
    group, layer, *inside = name.split("/")
    if group == OWN_WEIGHTS:
        _list(file[group][layer], "/".join(inside))


def _list(layer: Any, name: str) -> None:  # noqa: ANN401
    """Let an ``.h5`` file's layer list one more weight, behind those it has."""
    listed = [_text(one).encode() for one in layer.attrs.get(OF_LAYER, ())]
    layer.attrs[OF_LAYER] = [*listed, name.encode()]


def _order(group: Any, order: Sequence[str]) -> None:  # noqa: ANN401
    """Let an ``.h5`` file list its layers in an order; those without weights have none."""
    for layer in order:
        if OF_LAYER not in (own := group.require_group(layer)).attrs:
            own.attrs[OF_LAYER] = []
    group.attrs[NAMES] = [name.encode() for name in order]


def refusal(name: str, op: str, why: str) -> ExportError:
    """Return the error for a change that a Keras file cannot be given.

    Args:
        name: The node where the change is.
        op: Its operator.
        why: What is in the way, as the end of a sentence.
    """
    return ExportError(
        f"the repair of {name} ({op}) cannot go into the Keras file: {why}",
        hint="write the repaired model with -o to an .onnx file",
    )
