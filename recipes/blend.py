"""Blend a trained GAN with the network that its training started from.

    python recipes/blend.py srresnet_x4 runs/srgan_x4/model.keras \
        --share 0.7 --out runs/blend/model.keras

Interpolated weights give interpolated results. Much of the change in a short
GAN stage is noise, which averaging removes. The result is an SRGAN with a new
discriminator, which can be packed or trained further.

Source: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial
Networks" (2018), section 3.4, https://arxiv.org/abs/1809.00219
"""

import argparse
import pathlib

from keras_srgan import SRGAN
from keras_srgan import blend_generators
from keras_srgan import load_generator
from keras_srgan.files import replacing

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("start", metavar="MODEL", help="a preset, or a .keras file")
add("gan", metavar="MODEL", help="a preset or .keras file, same architecture")
add("--share", type=float, default=0.5, help="of the GAN (default: 0.5)")
add("--out", required=True, metavar="FILE", help="ends in .keras")
settings = parser.parse_args()
out = pathlib.Path(settings.out)

blend = blend_generators(
    load_generator(settings.start), load_generator(settings.gan), settings.share
)
out.parent.mkdir(parents=True, exist_ok=True)
with replacing(out) as partial:
    SRGAN(blend).save(partial)
print(out)
