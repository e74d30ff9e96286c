"""What a user's file of JAX functions looks like; it runs in the child only."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Params = dict[str, Any]


def network(params: Params, image: jax.Array) -> jax.Array:
    """Return scores: a convolution, two blocks of equal biases, a mean and a head."""
    value = convolved(image, params["stem"]["kernel"]) + params["stem"]["bias"]
    for block in params["blocks"]:
        value = jax.nn.gelu(convolved(value, block["kernel"]) + block["bias"])
    return value.mean((1, 2)) @ params["head"]["kernel"]


def convolved(image: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return an NHWC image convolved with an HWIO kernel."""
    order = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        image, kernel, (1, 1), "SAME", dimension_numbers=order
    )


def parameters() -> Params:
    """Return parameters whose biases are all zeros, as a fresh network's are."""
    keys = jax.random.split(jax.random.key(0), 4)
    wide = [0.3 * jax.random.normal(key, (3, 3, 4, 4)) for key in keys[:2]]
    return {
        "stem": {"kernel": jax.random.normal(keys[2], (3, 3, 3, 4)), "bias": jnp.zeros(4)},
        "blocks": [{"kernel": kernel, "bias": jnp.zeros(4)} for kernel in wide],
        "head": {"kernel": jax.random.normal(keys[3], (4, 3))},
    }


def images() -> jax.Array:
    """Return two images."""
    return jax.random.normal(jax.random.key(1), (2, 6, 6, 3))


def with_params() -> tuple[Callable[..., Any], Params, tuple[jax.Array]]:
    """Return a function, its parameters and inputs by position."""
    return network, parameters(), (images(),)


def closure() -> tuple[Callable[..., Any], dict[str, jax.Array]]:
    """Return a function that holds its parameters, and inputs by name."""
    params = parameters()

    def predict(picture: jax.Array) -> jax.Array:
        return network(params, picture)

    return predict, {"picture": images()}


def module() -> tuple[Callable[..., Any], tuple[jax.Array]]:
    """Return a module of Flax, which holds its parameters itself."""
    from flax import nnx

    return nnx.Linear(4, 3, rngs=nnx.Rngs(0)), (jnp.ones((2, 4)),)


def any_number() -> tuple[Callable[..., Any], tuple[jax.Array, jax.Array]]:
    """Return a function whose arguments have no names of their own."""
    return (lambda *values: values[0] - values[1]), (jnp.ones((2, 4)), jnp.ones((2, 4)))


def stubborn() -> tuple[Callable[..., Any], tuple[jax.Array]]:
    """Return a function that takes a batch of one and no other."""
    return (lambda value: value.reshape(1, 4) + 1), (jnp.ones((1, 2, 2)),)


def running_sum() -> tuple[Callable[..., Any], tuple[jax.Array]]:
    """Return a function that jax2onnx replaces in JAX itself."""
    return (lambda value: jnp.cumsum(value, axis=1)), (jnp.ones((2, 2)),)


def halves() -> tuple[Callable[..., Any], tuple[jax.Array]]:
    """Return a function that rounds a half away from zero."""
    away = jax.lax.RoundingMethod.AWAY_FROM_ZERO
    return (lambda value: jax.lax.round(value, away)), (jnp.array([[0.5, 2.5]]),)


def half_steps() -> tuple[Callable[..., Any], tuple[jax.Array]]:
    """Return a function that meets halves on any input, and rounds them away from zero."""

    def rounded(value: jax.Array) -> jax.Array:
        steps = jnp.floor(4 * jnp.tanh(value)) / 2
        return jax.lax.round(steps, jax.lax.RoundingMethod.AWAY_FROM_ZERO)

    def network(value: jax.Array) -> jax.Array:
        return rounded(jnp.sin(value)) * 3 + jnp.cos(value)

    return network, (jnp.linspace(-2.0, 2.0, 12).reshape(3, 4),)


def failing() -> tuple[Callable[..., Any], tuple[jax.Array]]:
    """Return a function that does not take its own inputs."""
    return (lambda value: value @ value), (jnp.ones((2, 3)),)


def beyond() -> tuple[Callable[..., Any], tuple[jax.Array]]:
    """Return a function that looks up beyond a table, where JAX takes the last row."""
    table = jnp.arange(6.0).reshape(3, 2)
    return (lambda rows: table[rows]), (jnp.array([1, 7]),)


def four_things() -> tuple[Any, ...]:
    """Return inputs that are not in a tuple."""
    return network, parameters(), images(), images()
