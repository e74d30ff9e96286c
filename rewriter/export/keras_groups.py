"""Where a Keras file keeps each layer's weights, before and after layers come and go."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from analyzer.core.errors import ExportError
from analyzer.core.types import Array
from rewriter.export.keras_file import OWN_WEIGHTS, Config, Saved, Written
from rewriter.export.keras_layers import Layer
from rewriter.export.keras_structure import Made, is_sequential, ordered, snake


def relocated(
    saved: Saved,
    config: Config,
    values: Mapping[str, Array],
    new: Sequence[tuple[Layer, Made]],
) -> Written:
    """Return what is written where layers came or went: weights move with their layers.

    Args:
        saved: The file as it is.
        config: What it is to say of its layers; put into Keras's order.
        values: New values of weights that were there.
        new: The layers that were not, with their weights.

    Raises:
        ExportError: It cannot be told where the file keeps a layer's weights.
    """
    was = dict(_groups(saved, saved.config["config"], "", ""))
    if set(was.values()) - set(saved.groups):
        raise ExportError(
            f"{saved.path} keeps its weights in an order that is not Keras's",
            hint="write the repaired model with -o to an .onnx file",
        )
    _sort(saved.config["config"], config["config"])
    now = dict(_groups(saved, config["config"], "", ""))
    moved = {
        group: now.get(path, "") for path, group in was.items() if now.get(path) != group
    }
    inner = tuple(f"{group}/" for group in moved)
    moved = {old: place for old, place in moved.items() if not old.startswith(inner)}
    return Written(
        config,
        {_moved(name, moved): value for name, value in values.items()}
        | dict(_made(saved, now, new)),
        moved,
        ordered(config["config"]),
        {now[layer.path]: layer.name for layer, _ in new if layer.path in now},
    )


def _moved(name: str, moved: Mapping[str, str]) -> str:
    for old, new in moved.items():
        if name.startswith(f"{old}/"):
            return f"{new}{name.removeprefix(old)}"
    return name


def _groups(
    saved: Saved, model: Config, path: str, group: str
) -> Iterator[tuple[str, str]]:
    """Yield the group of each layer by its path."""
    seen: Counter[str] = Counter()
    for entry in model["layers"]:
        name = entry.get("name") or entry["config"].get("name", "")
        own = f"{path}/{name}" if path else name
        if entry["class_name"] == "InputLayer" and is_sequential(model):
            continue  # Keras does not count it among such a model's layers
        if not saved.is_archive:
            yield own, f"{OWN_WEIGHTS}/{name}"
            continue
        base = snake(entry["class_name"])
        number = seen[base]
        seen[base] += 1
        place = f"{group}layers/{base}_{number}" if number else f"{group}layers/{base}"
        yield own, place
        if "layers" in entry["config"]:
            yield from _groups(saved, entry["config"], own, f"{place}/")


def _sort(was: Config, now: Config) -> None:
    """List a model's layers in Keras's order, if that is how they were listed."""
    names = [
        entry.get("name") or entry["config"].get("name", "") for entry in was["layers"]
    ]
    if names != ordered(was):
        return
    place = {name: number for number, name in enumerate(ordered(now))}
    now["layers"].sort(
        key=lambda entry: place.get(entry.get("name") or entry["config"]["name"], -1)
    )


def _made(
    saved: Saved, groups: Mapping[str, str], new: Sequence[tuple[Layer, Made]]
) -> Iterator[tuple[str, Array]]:
    for layer, made in new:
        if made.weights and layer.path not in groups:
            raise ExportError(
                f"{layer.path} is in a model inside the model, whose weights {saved.path} "
                "keeps in one list",
                hint="write the repaired model with -o to an .onnx file",
            )
        for number, (name, value) in enumerate(made.weights.items()):
            inside = f"vars/{number}" if saved.is_archive else f"{layer.name}/{name}"
            yield f"{groups[layer.path]}/{inside}", value
