"""Compare XLA's weight gradients of convolutions with matrix products.

    python benchmarks/weight_gradient.py

The gradient of a kernel is a sum over all positions of the input times the
output gradient: one matrix product per kernel position. Both methods take turns
with the convolution itself, which has the same number of operations.
"""

import statistics
import time

import jax
import jax.numpy as jnp
from contest import make_parser
from contest import show

LAYOUT = ("NHWC", "HWIO", "NHWC")
# Batch, height and width, channels, filters and stride of convolutions of the
# generator, of VGG19 and of the discriminator in a step of 4 crops of 128.
CASES = (
    (4, 32, 64, 64, 1),
    (16, 32, 64, 64, 1),
    (4, 32, 64, 256, 1),
    (4, 64, 64, 128, 1),
    (4, 128, 64, 64, 1),
    (4, 128, 64, 64, 2),
    (4, 16, 512, 512, 1),
)


def convolve(x, kernel, stride):
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=LAYOUT
    )


def xla_gradient(x, kernel, gradient, stride):
    _, pull = jax.vjp(lambda kernel: convolve(x, kernel, stride), kernel)
    return pull(gradient)[0]


def product_gradient(x, kernel, gradient, stride):
    size, _, channels, filters = kernel.shape
    height, width = gradient.shape[1:3]
    padding = [
        max((out - 1) * stride + size - length, 0)
        for out, length in zip((height, width), x.shape[1:3], strict=True)
    ]
    sides = [(total // 2, total - total // 2) for total in padding]
    x = jnp.pad(x, ((0, 0), *sides, (0, 0)))
    flat = gradient.reshape(-1, filters)

    def product(dy, dx):
        rows = slice(dy, dy + (height - 1) * stride + 1, stride)
        columns = slice(dx, dx + (width - 1) * stride + 1, stride)
        return x[:, rows, columns].reshape(-1, channels).T @ flat

    return jnp.stack(
        [
            jnp.stack([product(dy, dx) for dx in range(size)])
            for dy in range(size)
        ]
    )


def measure(case, rounds):
    """Returns the median seconds of each method, and its operations."""
    batch, side, channels, filters, stride = case
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (batch, side, side, channels))
    kernel = jax.random.normal(keys[1], (3, 3, channels, filters))
    forward = jax.jit(convolve, static_argnums=2)
    output = forward(x, kernel, stride)
    gradient = jax.random.normal(keys[2], output.shape)
    ways = {"convolution": lambda: forward(x, kernel, stride)}
    for name, way in ("XLA", xla_gradient), ("products", product_gradient):
        compiled = jax.jit(way, static_argnums=3)
        ways[name] = lambda f=compiled: f(x, kernel, gradient, stride)
    expected, ours = ways["XLA"](), ways["products"]()
    error = jnp.abs(ours - expected).max() / jnp.abs(expected).max()
    if not error < 1e-4:
        raise SystemExit(f"The gradients differ by {error:.1e}.")
    seconds = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            jax.block_until_ready(way())
            seconds[name].append(time.perf_counter() - start)
    operations = 2 * 9 * output.size * channels
    medians = {name: statistics.median(s) for name, s in seconds.items()}
    return medians, operations


if __name__ == "__main__":
    settings = make_parser(__doc__).parse_args()
    rows = []
    for case in CASES:
        medians, operations = measure(case, settings.rounds)
        batch, side, channels, filters, stride = case
        rows.append(
            [
                f"{batch} x {side} x {side}, {channels} to {filters}"
                + (f", stride {stride}" if stride > 1 else ""),
                *(f"{operations / s / 1e9:.0f}" for s in medians.values()),
                f"{medians['products'] / medians['XLA']:.2f}",
            ]
        )
    show(
        "3x3 convolutions in float32, GFLOP/s",
        [
            "input",
            "convolution",
            "gradient of the kernel, XLA",
            "by products",
            "time over XLA",
        ],
        rows,
    )
