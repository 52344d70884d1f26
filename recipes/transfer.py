"""Add the weight change of stage two to another stage-one network.

    python recipes/transfer.py srresnet_x4_base \
        --vivid srgan_x4_small --start srresnet_x4_small --out runs/start.keras

The result has the weights of the faithful network plus the difference between
a vivid network and the network that its training started from. If the faithful
network was widened from narrower networks, those two may be narrow: then the
difference is added to the shared filters. The result is a starting point for
stage two that saves hundreds of steps. A small `--share` makes a vivid network
a little sharper. If the vivid network is a `.keras` file of an SRGAN, its
discriminator is kept.

Source: Ilharco et al., "Editing Models with Task Arithmetic" (2023),
https://arxiv.org/abs/2212.04089
"""

import argparse
import pathlib

import keras

from keras_srgan import SRGAN
from keras_srgan import Generator
from keras_srgan import load_generator
from keras_srgan.files import replacing


def transfer(
    faithful: Generator,
    vivid: Generator,
    start: Generator,
    share: float = 1.0,
) -> Generator:
    """Returns `faithful` plus a share of the change from `start` to `vivid`."""
    result = Generator.from_config(faithful.get_config())
    weights = []
    for weight, end, begin in zip(
        faithful.get_weights(),
        vivid.get_weights(),
        start.get_weights(),
        strict=True,
    ):
        weight[tuple(map(slice, end.shape))] += share * (end - begin)
        weights.append(weight)
    result.set_weights(weights)
    return result


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("faithful", metavar="MODEL", help="a preset, or a .keras file")
    add("--vivid", required=True, metavar="MODEL", help="a preset or file")
    add(
        "--start",
        required=True,
        metavar="MODEL",
        help="the faithful network that the vivid one was trained from",
    )
    add(
        "--share",
        type=float,
        default=1.0,
        help="share of the change to add (default: 1)",
    )
    add("--out", required=True, metavar="FILE", help="ends in .keras")
    settings = parser.parse_args()
    networks = [
        load_generator(name)
        for name in (settings.faithful, settings.vivid, settings.start)
    ]
    if len({len(network.get_weights()) for network in networks}) > 1:
        raise SystemExit("The three networks must have the same layers.")
    discriminator = None
    if pathlib.Path(settings.vivid).is_file():
        vivid = keras.saving.load_model(settings.vivid, compile=False)
        discriminator = getattr(vivid, "discriminator", None)
    model = transfer(*networks, settings.share)
    if discriminator:
        model = SRGAN(model, discriminator)
    out = pathlib.Path(settings.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as partial:
        model.save(partial)
    print(out)


if __name__ == "__main__":
    main()
