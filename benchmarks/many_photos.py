"""Measure upscaling of many photos of different sizes: time and memory.

    python benchmarks/many_photos.py
    python benchmarks/many_photos.py --photos 2000 --sizes 16 64
    python benchmarks/many_photos.py --photos 20 --sizes 4472 4472

Upscales photos of random sizes, as many of 100 to 200 pixels per side as of 200
to 400, then as many pixels in equal photos. The table lists the resident memory
after each tenth of the first; it should not grow.
"""

import argparse
import os
import time

import numpy as np
from contest import on_backends
from contest import show

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
add("--photos", type=int, default=500, help="default: 500")
add(
    "--sizes",
    type=int,
    nargs=2,
    default=[100, 400],
    metavar=("MIN", "MAX"),
    help="pixels per side (default: 100 400)",
)
add(
    "--model",
    help="preset or .keras file (default: 2 blocks of 8 filters)",
)
add("--turns-of", help=argparse.SUPPRESS)


def serve(settings):
    import json

    from keras_srgan import Generator
    from keras_srgan import Upscaler
    from keras_srgan import load_generator

    if settings.model:
        generator = load_generator(settings.model)
    else:
        generator = Generator(
            num_blocks=2, filters=8, upsampling="pixel_shuffle_direct"
        )
    random = np.random.default_rng(0)
    low, high = settings.sizes
    logarithms = np.log([low, high])
    sizes = np.exp(random.uniform(*logarithms, (settings.photos, 2)))
    sizes = np.rint(sizes).astype(int)
    photos = random.integers(0, 256, (high, high, 3), "uint8")
    side = round(np.mean(sizes[:, 0] * sizes[:, 1]) ** 0.5)
    shapes = set()

    def measure(sizes, memory=None):
        upscaler = Upscaler(generator)
        stage = upscaler._stage
        while stage:
            _record(stage.part, shapes)
            stage = stage.next
        start = time.perf_counter()
        for i, (height, width) in enumerate(sizes):
            upscaler(photos[:height, :width])
            if memory is not None and (i + 1) % (len(sizes) // 10) == 0:
                memory.append(_resident_bytes())
        return time.perf_counter() - start

    memory = []
    seconds = measure(sizes, memory)
    mixed_shapes = len(shapes)
    # Photos of one size are equal already.
    equal = measure([(side, side)] * settings.photos) if low < high else seconds
    message = {
        "seconds": seconds,
        "equal": equal,
        "shapes": mixed_shapes,
        "memory": memory,
    }
    print(json.dumps(message), flush=True)


def _record(part, shapes):
    predict = part.predict_on_batch

    def record(x):
        shape = x[0].shape if isinstance(x, tuple) else x.shape
        shapes.add((id(part), isinstance(x, tuple), *shape))
        return predict(x)

    part.predict_on_batch = record


def _resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def compare(settings):
    arguments = [
        f"--photos={settings.photos}",
        "--sizes",
        *map(str, settings.sizes),
        *([f"--model={settings.model}"] if settings.model else []),
    ]
    rows = []
    for contender in on_backends(settings.backends, arguments):
        contender.start()
        result = contender.receive()
        if result is None:
            print(f"{contender.name} failed: {contender.get_error()}")
            continue
        contender.process.wait()
        rows.append(
            [
                contender.name,
                f"{settings.photos / result['seconds']:.3g}",
                f"{result['seconds'] / result['equal']:.2f}",
                str(result["shapes"]),
                ", ".join(f"{m / 2**20:.0f}" for m in result["memory"]),
            ]
        )
    show(
        f"{settings.photos} photos of {settings.sizes[0]} to "
        f"{settings.sizes[1]} pixels per side",
        [
            "",
            "photos/s",
            "time over equal photos",
            "input shapes",
            "MiB after each tenth",
        ],
        rows,
    )


if __name__ == "__main__":
    settings = parser.parse_args()
    if settings.turns_of:
        serve(settings)
    else:
        compare(settings)
