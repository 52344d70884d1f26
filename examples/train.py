"""Train on your photos, or for a few minutes on photos of scikit-image.

    python examples/train.py                      # no download needed
    python examples/train.py --data PHOTOS        # a folder of photos
    KERAS_BACKEND=jax python examples/train.py    # choose a backend

To resume an interrupted run, repeat the command.
"""

import argparse
import pathlib

from skimage import data_dir

from keras_srgan import distribute
from keras_srgan import load_generator
from keras_srgan import upscale
from keras_srgan.photo_files import find_photos
from keras_srgan.run_folder import is_run
from keras_srgan.settings import Settings
from keras_srgan.training import TrainingRun

# === Settings ===
SMALL = {"num_blocks": 8, "filters": 32, "upsampling": "pixel_shuffle_direct"}
NAMES = (
    "astronaut.png hubble_deep_field.jpg ihc.png motorcycle_left.png "
    "motorcycle_right.png retina.jpg rocket.jpg chelsea.png coffee.png"
)
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--data", metavar="DIR", help="folder of photos")
parser.add_argument("--out", metavar="DIR", default="runs/example")
parser.add_argument("--epochs", type=int, default=8, help="of stage one")
parser.add_argument("--gan-epochs", type=int, default=4, help="of stage two")
options = parser.parse_args()
out = pathlib.Path(options.out)
photos = options.data or [f"{data_dir}/{name}" for name in NAMES.split()]
shared = {"photos": photos, "held_out": 2, "steps_per_epoch": 50}
fast = {"optimizer": "muon", "learning_rate": 2e-3}
one = Settings(stage="psnr", generator=SMALL, **fast, **shared)
two = {**shared, "stage": "gan", "batch_size": 8, "discriminator_steps": 50}
# Avoids downloading VGG19.
two |= {"content_loss": "mse", "discriminator": {"filters": 16}}


def train(directory, settings, epochs):
    """Trains or resumes a stage."""
    if is_run(directory):
        run = TrainingRun.open(directory, settings)
    else:
        run = TrainingRun.create(directory, Settings(**settings))
    run.train(epochs)
    run.finish()


distribute()
train(out / "psnr", vars(one), options.epochs)
two["start"] = str(out / "psnr/model.keras")
train(out / "gan", two, options.gan_epochs)
photo = find_photos(photos)[-1]
upscale(load_generator(out / "gan/model.keras"), photo).save(out / "large.png")
print(f"{photo} enlarged: {out}/large.png; pictures of both stages: {out}/*/")
