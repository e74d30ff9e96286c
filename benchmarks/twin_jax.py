"""The same network as a function of JAX: what ``jax.py:factory`` beside its files calls."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

Params = dict[str, dict[str, jax.Array]]
Step = tuple[str, str, Mapping[str, float]]


def build(folder: Path) -> tuple[Callable[[Params, jax.Array], jax.Array], Params, tuple]:
    """Return the function, its parameters by module, and an example of its input."""
    steps = json.loads((folder / "steps.json").read_text(encoding="utf-8"))
    params: Params = {}
    with np.load(folder / "parameters.npz") as arrays:
        for name in arrays.files:
            module, _, own = name.rpartition(".")
            params.setdefault(module, {})[own] = jnp.asarray(arrays[name])
    with np.load(folder / "probes.npz") as drawn:
        example = jnp.asarray(drawn["in0"][0])
    return lambda params, image: network(steps, params, image), params, (example,)


def network(steps: Sequence[Step], params: Params, image: jax.Array) -> jax.Array:
    """Return logits of images, float32 [samples, 3, height, width]."""
    x = kept = image
    for kind, name, settings in steps:
        match kind:
            case "keep":
                kept = x
            case "add":
                x = kept + x
            case "mean":
                x = x.mean((2, 3))
            case "bound":
                x = jnp.clip(x, 0.0, settings.get("above"))
            case "norm":
                x = normalised(x, params[name], settings["epsilon"])
            case "linear":
                x = x @ params[name]["weight"].T + params[name]["bias"]
            case "convolution":
                x = convolved(x, params[name]["weight"], settings)
    return x


def normalised(x: jax.Array, own: dict[str, jax.Array], epsilon: float) -> jax.Array:
    """Return channels with their recorded mean and variance taken out."""
    mean, variance, weight, bias = (
        own[name][:, None, None]
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / jnp.sqrt(variance + epsilon) * weight + bias


def convolved(x: jax.Array, kernel: jax.Array, settings: Mapping[str, float]) -> jax.Array:
    """Return an NCHW image convolved with an OIHW kernel."""
    stride, pads = int(settings["stride"]), int(settings["pads"])
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), [(pads, pads)] * 2,
        feature_group_count=int(settings["groups"]),
    )  # fmt: skip
