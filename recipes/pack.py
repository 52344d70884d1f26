"""Make a preset of a trained model: its generator, in half precision.

    python recipes/pack.py runs/srgan_x4/model.keras srgan_x4

Writes the weights and what `Generator.from_preset` must know of them. What
they were trained on, and how good they are, is for their card to tell,
README.md beside them.
"""

import argparse
import hashlib
import json
import os
import pathlib
import tempfile

import numpy as np
import skimage
from PIL import Image

from keras_srgan import Generator
from keras_srgan import upscale
from keras_srgan.loading import load_generator
from keras_srgan.preset import CONFIG
from keras_srgan.preset import FOLDER
from keras_srgan.preset import WEIGHTS

DESCRIPTIONS = {
    "srgan_x4": "photos: alike to the eye, with details that may be invented",
    "srgan_x4_faces": "small faces, cropped and upright",
    "srresnet_x4": "fidelity: nearest to the truth, but smooth",
}

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("model", metavar="FILE", help=".keras file of an SRGAN or a generator")
add("name", choices=DESCRIPTIONS)
add("--out", metavar="DIR", help="default: in the package")
settings = parser.parse_args()
out = pathlib.Path(settings.out or FOLDER / settings.name)

# === Weights ===
trained = load_generator(settings.model)
config = trained.get_config()
for name in "name", "trainable", "dtype":  # of this training, or chosen anew
    del config[name]
generator = Generator(**config, dtype="float32")
generator.set_weights(trained.get_weights())
half = [weight.astype("float16") for weight in generator.get_weights()]

# === Files ===
out.mkdir(parents=True, exist_ok=True)
with tempfile.TemporaryDirectory(dir=out, prefix=".") as part:
    part = pathlib.Path(part)
    np.savez(part / WEIGHTS, *half)
    digest = hashlib.sha256((part / WEIGHTS).read_bytes()).hexdigest()
    about = {
        "description": DESCRIPTIONS[settings.name],
        "generator": config,
        "parameters": generator.count_params(),
        "sha256": digest,
    }
    (part / CONFIG).write_text(json.dumps(about, indent=2) + "\n")

    # What rounding does must not be seen.
    photo = Image.open(pathlib.Path(skimage.data_dir, "chelsea.png")).reduce(4)
    before, after = (
        np.asarray(upscale(network, photo)).astype(int)
        for network in (generator, Generator.from_preset(part, "float32"))
    )
    change = np.abs(after - before)
    if change.max() > 1:
        raise SystemExit(
            f"In half precision a photo changes by {change.max()} levels; "
            "nothing was written."
        )
    for name in WEIGHTS, CONFIG:
        os.replace(part / name, out / name)

print(f"{out}: {(out / WEIGHTS).stat().st_size / 1e6:.2f} MB")
print(f"SHA-256 {digest}")
print(f"rounding moves {change.mean():.2%} of the levels of a photo, by 1")
