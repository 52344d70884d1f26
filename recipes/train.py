"""Train one of the presets, in as many legs as there is time for.

    python recipes/photos.py PHOTOS --out training-photos
    python recipes/train.py srresnet_x4 training-photos
    python recipes/train.py srgan_x4 training-photos \
        --start runs/srresnet_x4/model.keras

A leg is a cosine of the learning rate from its highest to nothing, and leaves
`--out/model.keras`: both networks, the generator's weights averaged over the
last twentieth of its steps. Another leg, with a folder of its own, goes on
from it with `--start`; from a preset only the generator can. A leg that was
stopped goes on where it was when its command is run again.
"""

import argparse
import pathlib

import keras

from keras_srgan import PSNR
from keras_srgan import SRGAN
from keras_srgan import SSIM
from keras_srgan import ImageFolder
from keras_srgan import VGGContentLoss
from keras_srgan import callbacks
from keras_srgan import presets
from keras_srgan.files import replacing

# === Settings ===
RECIPES = {
    # Fidelity. The absolute error leads to a higher PSNR than the squared.
    "srresnet_x4": {
        "crop": "random",
        "crop_size": 96,
        "crops_per_photo": 4,
        "content_loss": "mae",
        "adversarial_weight": 0.0,
        "pixel_weight": 0.0,
        "learning_rate": 4e-4,
    },
    # Photos. The pixel loss holds the colours; it is a tenth of the other.
    "srgan_x4": {
        "crop": "random",
        "crop_size": 96,
        "crops_per_photo": 4,
        "content_loss": "vgg",
        "adversarial_weight": 1e-3,
        "pixel_weight": 1.0,
        "learning_rate": 1e-4,
    },
    # The reference experiment's faces.
    "srgan_x4_faces": {
        "crop": "center",
        "crop_size": 128,
        "crops_per_photo": 1,
        "content_loss": "vgg",
        "adversarial_weight": 1e-3,
        "pixel_weight": 1.0,
        "learning_rate": 1e-4,
    },
}

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("recipe", choices=RECIPES)
add("photos", metavar="PHOTOS", help="folder; its last 5 are for testing")
add("--limit", type=int, help="train on the first so many photos alone")
add("--start", metavar="MODEL", help="model.keras of another leg, or a preset")
add("--out", metavar="DIR", help="one a leg (default: runs/RECIPE)")
add("--epochs", type=int, default=20, help="of this leg (default: 20)")
add("--batch-size", type=int, default=8, help="default: 8")
add("--learning-rate", type=float, help="at the start of the leg")
add("--content-loss", choices=["mae", "mse", "vgg"])
add("--adversarial-weight", type=float)
add("--pixel-weight", type=float)
add("--crop-size", type=int, help="pixels of an HR crop")
add("--crops-per-photo", type=int, help="an epoch")
add("--warmup", type=int, default=200, help="steps (default: 200)")
add("--vgg-weights", default="imagenet", help="a file, if not downloaded")
add("--precision", default="mixed_bfloat16", help="or float32")
add("--seed", type=int, default=0, help="another one for another leg")
settings, _ = parser.parse_known_args()
parser.set_defaults(**RECIPES[settings.recipe])
settings = parser.parse_args()
out = pathlib.Path(settings.out or f"runs/{settings.recipe}")
keras.utils.set_random_seed(settings.seed)
keras.config.set_dtype_policy(settings.precision)

# === Photos ===
files = ImageFolder(settings.photos).files
train = ImageFolder(
    files[:-5][: settings.limit],
    crop_size=settings.crop_size,
    crop=settings.crop,
    crops_per_photo=settings.crops_per_photo,
    batch_size=settings.batch_size,
    seed=settings.seed,
    cache_bytes=4 * 2**30,
)
test = ImageFolder(files[-5:], crop_size=128, batch_size=5, shuffle=False)

# === Model ===
srgan = SRGAN()
if settings.start in presets():
    srgan = SRGAN.from_preset(settings.start)
elif settings.start:
    # Its weights alone: it may compute in another precision.
    started = keras.saving.load_model(settings.start)
    srgan.generator.set_weights(started.generator.get_weights())
    srgan.discriminator.set_weights(started.discriminator.get_weights())
steps = settings.epochs * len(train)
warmup = min(settings.warmup, steps // 10)
rate = keras.optimizers.schedules.CosineDecay(
    initial_learning_rate=settings.learning_rate / 100,
    warmup_target=settings.learning_rate,
    warmup_steps=warmup,
    decay_steps=steps - warmup,
)
content_loss = {
    "mae": keras.losses.MeanAbsoluteError,
    "mse": lambda: "mse",
    "vgg": lambda: VGGContentLoss(weights=settings.vgg_weights),
}[settings.content_loss]()
srgan.compile(
    # An average starts from the first weights: over the whole of a short leg
    # it would be made of them.
    keras.optimizers.Adam(
        rate,
        use_ema=True,
        ema_momentum=max(0, 1 - 20 / steps),
        name="generator_adam",
    ),
    keras.optimizers.Adam(rate, name="discriminator_adam"),
    content_loss=content_loss,
    adversarial_weight=settings.adversarial_weight,
    pixel_weight=settings.pixel_weight,
    metrics=[PSNR(shave=4), SSIM(shave=4)],
)

# === Training ===
if (out / "backup").exists():
    print(f"going on with the leg that was stopped in {out}")
srgan.fit(
    train,
    epochs=settings.epochs,
    validation_data=test,
    callbacks=[
        callbacks.TestPictures(test[0], out),
        callbacks.LossCurves(out),
        callbacks.BackupAndRestore(out / "backup"),
    ],
)
with replacing(out / "model.keras") as partial:
    srgan.save(partial)
score = srgan.evaluate(test, verbose=0, return_dict=True)
print(f"averaged weights, held-out photos: PSNR {score['psnr']:.2f} dB")
print(f"model, pictures and curves are in {out}")
