"""Widen a trained compact generator: more filters, the same initial output.

    python recipes/widen.py srresnet_x4_small --filters 64 --out runs/wide.keras
    keras-srgan train PHOTOS -o runs/srresnet_x4_base --start runs/wide.keras \
        --settings recipes/srresnet_x4_base.toml

The new filters start with random weights, and their outgoing weights start at
zero. The wide network therefore starts at the quality of the narrow one, and
training continues from there instead of from the quality of bicubic.

Source: Chen et al., "Net2Net: Accelerating Learning via Knowledge Transfer"
(2016), https://arxiv.org/abs/1511.05641, which copies filters instead.
"""

import argparse
import pathlib

import keras
import numpy as np

from keras_srgan import Generator
from keras_srgan import load_generator
from keras_srgan.files import replacing


def widen(narrow: Generator, filters: int) -> Generator:
    """Returns a generator with more filters and the same output."""
    arguments = {**narrow.get_config(), "filters": filters}
    wide = Generator.from_config(arguments)
    weights = []
    for old, new in zip(narrow.get_weights(), wide.get_weights(), strict=True):
        if old.ndim == 4:
            # Old outputs do not depend on new inputs.
            new[:, :, old.shape[2] :, : old.shape[3]] = 0
        new[tuple(map(slice, old.shape))] = old
        weights.append(new)
    wide.set_weights(weights)
    return wide


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a preset, or a .keras file")
    add("--filters", type=int, default=64, help="default: %(default)s")
    add("--out", required=True, metavar="FILE", help="ends in .keras")
    settings = parser.parse_args()
    narrow = load_generator(settings.model)
    if narrow.upsampling != "pixel_shuffle_direct":
        raise SystemExit(
            "MODEL must be a compact generator, with "
            "upsampling='pixel_shuffle_direct'. "
            f"Received: upsampling={narrow.upsampling!r}"
        )
    if settings.filters <= narrow.filters:
        raise SystemExit(
            f"--filters must be more than the {narrow.filters} of MODEL. "
            f"Received: {settings.filters}"
        )
    keras.utils.set_random_seed(0)
    wide = widen(narrow, settings.filters)
    photo = np.random.default_rng(0).integers(0, 256, (1, 24, 24, 3), "uint8")
    before, after = (
        keras.ops.convert_to_numpy(network(photo)) for network in (narrow, wide)
    )
    print(f"largest change of a level: {np.abs(after - before).max():.4f}")
    out = pathlib.Path(settings.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as partial:
        wide.save(partial)
    print(out)


if __name__ == "__main__":
    main()
