"""Make a preset from a trained model: its generator, in half precision.

    python recipes/pack.py runs/srgan_x4/model.keras srgan_x4 --version 2

Writes the folder of the preset, except for the model card: document the
training data and the results in its README.md. Increase the version and add a
line to CHANGELOG.md whenever the weights of a published preset change.
"""

import argparse
import pathlib
import tempfile

import numpy as np
import skimage
from PIL import Image

from keras_srgan import Generator
from keras_srgan import upscale
from keras_srgan.loading import load_generator
from keras_srgan.preset import FOLDER
from keras_srgan.preset import save_preset

DESCRIPTIONS = {
    "srgan_x4": "photos: the paper's network, slightly sharper",
    "srgan_x4_base": "photos: sharpest, may hallucinate detail",
    "srgan_x4_faces": "small faces, cropped and upright",
    "srgan_x4_photos": "compressed, noisy or blurred photos: sharp",
    "srgan_x4_small": "photos: sharp, a quarter of the operations",
    "srresnet_x4": "photos: the paper's network, smooth",
    "srresnet_x4_base": "photos: highest PSNR, smooth",
    "srresnet_x4_photos": "compressed, noisy or blurred photos: smooth",
    "srresnet_x4_small": "photos: smooth, a quarter of the operations",
}
PARTNERS = {
    "srgan_x4": {"faithful": "srresnet_x4"},
    "srgan_x4_base": {"faithful": "srresnet_x4_base"},
    "srgan_x4_faces": {"faithful": "srresnet_x4"},
    "srgan_x4_photos": {"faithful": "srresnet_x4_photos"},
    "srgan_x4_small": {"faithful": "srresnet_x4_small"},
    "srresnet_x4": {"vivid": "srgan_x4"},
    "srresnet_x4_base": {"vivid": "srgan_x4_base"},
    "srresnet_x4_photos": {"vivid": "srgan_x4_photos"},
    "srresnet_x4_small": {"vivid": "srgan_x4_small"},
}

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("model", metavar="FILE", help=".keras file of an SRGAN or a generator")
add("name", choices=DESCRIPTIONS)
add("--version", required=True, help="a version not used before")
add("--out", metavar="DIR", help="default: in the package")
settings = parser.parse_args()
out = pathlib.Path(settings.out or FOLDER / settings.name)

trained = load_generator(settings.model)
# In float32, regardless of the training precision.
generator = Generator.from_config({**trained.get_config(), "dtype": "float32"})
generator.set_weights(trained.get_weights())


def save(folder):
    save_preset(
        generator,
        folder,
        description=DESCRIPTIONS[settings.name],
        version=settings.version,
        partners=PARTNERS[settings.name],
    )


# Rounding must be invisible.
with tempfile.TemporaryDirectory() as folder:
    save(folder)
    rounded = Generator.from_preset(folder, "float32")
photo = Image.open(pathlib.Path(skimage.data_dir, "chelsea.png")).reduce(4)
before, after = (
    np.asarray(upscale(network, photo)).astype(int)
    for network in (generator, rounded)
)
change = np.abs(after - before)
if change.max() > 1:
    raise SystemExit(
        f"Half precision changes a photo by up to {change.max()} levels; "
        "nothing was written."
    )

save(out)
size = sum(file.stat().st_size for file in out.glob("*.h5"))
print(f"{out}: {size / 1e6:.2f} MB of weights")
print(f"Half precision changes {change.mean():.2%} of the levels by 1")
