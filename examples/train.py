"""Train SRGAN: a quick try, or the reference experiment on your photos.

    python examples/train.py                 # a few minutes, nothing to fetch
    python examples/train.py --data PHOTOS   # a folder of photos, in earnest
    KERAS_BACKEND=jax python examples/train.py
    torchrun --nproc-per-node 8 examples/train.py --data PHOTOS

It uses all devices that there are: see docs/many_devices.md.

What it leaves in `--out`: pictures of the test photos after each epoch, loss
curves, checkpoints, and the trained model, `srgan.keras`. A run that was
stopped goes on where it was with `--resume`.
"""

import argparse
import pathlib
import shutil

import keras

from keras_srgan import PSNR
from keras_srgan import SRGAN
from keras_srgan import SSIM
from keras_srgan import Augmentation
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import ImageFolder
from keras_srgan import VGGContentLoss
from keras_srgan import callbacks
from keras_srgan import distribute
from keras_srgan import psnr

# === Settings ===
# The quick run: seven photos, small networks, both stages. Its content loss
# is the pixels' because VGG19 would be a download.
QUICK = {
    "crop": "random",
    "crop_size": 64,
    "crops_per_photo": 450,
    "batch_size": 16,
    "test_size": 288,
    # Seven photos do not have all colours; these do.
    "augmentation": {"saturation": 0.5, "hue": 0.5, "contrast": 0.3},
    "num_blocks": 4,
    "filters": 32,
    "discriminator_filters": 16,
    "content_loss": "mse",
    "pretrain_epochs": 10,
    "pretrain_rate": 2e-3,
    "epochs": 1,
    "checkpoint_every": 1,
}
# The reference experiment.
REFERENCE = {
    "crop": "center",
    "crop_size": 128,
    "crops_per_photo": 1,
    "batch_size": 30,
    "test_size": 128,
    "augmentation": {},
    "num_blocks": 16,
    "filters": 64,
    "discriminator_filters": 64,
    "content_loss": "vgg",
    "pretrain_epochs": 0,
    "pretrain_rate": 1e-4,
    "epochs": 60,
    "checkpoint_every": 20,
}

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("--data", metavar="DIR", help="folder of photos; none is the quick run")
add("--out", default="runs/srgan", metavar="DIR", help="default: %(default)s")
add("--resume", action="store_true", help="go on with the run in --out")
add("--epochs", type=int, help="of the GAN (default: 60)")
add("--pretrain-epochs", type=int, help="of MSE alone before it (default: 0)")
add("--pretrain-rate", type=float, help="its learning rate (default: 1e-4)")
add("--learning-rate", type=float, default=1e-4, help="default: %(default)s")
add("--batch-size", type=int, help="default: 30")
add("--crop-size", type=int, help="pixels of an HR crop (default: 128)")
add("--crop", choices=["center", "random"], help="default: center")
add("--crops-per-photo", type=int, help="an epoch, random (default: 1)")
add("--test-photos", type=int, default=5, help="last files, default: 5")
add("--test-size", type=int, help="pixels of a test photo (default: 128)")
add("--scale", type=int, default=4, choices=[2, 4, 8], help="default: 4")
add("--num-blocks", type=int, help="residual blocks (default: 16)")
add("--filters", type=int, help="of the generator (default: 64)")
add("--discriminator-filters", type=int, help="default: 64")
add("--content-loss", choices=["vgg", "mse"], help="default: vgg")
add("--vgg-weights", default="imagenet", help="a file, if not downloaded")
add("--adversarial-weight", type=float, default=1e-3, help="default: 1e-3")
add("--pixel-weight", type=float, default=0.0, help="default: 0")
add("--precision", default="float32", help="or mixed_bfloat16, mixed_float16")
add("--checkpoint-every", type=int, help="epochs (default: 20)")
add("--tensorboard", action="store_true", help="write its logs to --out")
add("--seed", type=int, default=0, help="default: %(default)s")
settings, _ = parser.parse_known_args()
parser.set_defaults(**(REFERENCE if settings.data else QUICK))
settings = parser.parse_args()

out = pathlib.Path(settings.out)
if not settings.resume:
    shutil.rmtree(out / "backup", ignore_errors=True)
# Many processes run this program; the first alone writes and speaks.
first = distribute()
say = print if first else lambda *arguments: None
keras.utils.set_random_seed(settings.seed)
keras.config.set_dtype_policy(settings.precision)

# === Photos ===
if settings.data:
    photos = ImageFolder(settings.data).files
    held_out = settings.test_photos
else:
    import skimage

    folder = pathlib.Path(skimage.data_dir)
    names = (
        "astronaut.png hubble_deep_field.jpg ihc.png motorcycle_left.png "
        "motorcycle_right.png retina.jpg rocket.jpg chelsea.png coffee.png"
    )
    photos = [folder / name for name in names.split()]
    held_out = 2
train = ImageFolder(
    photos[:-held_out],
    crop_size=settings.crop_size,
    crop=settings.crop,
    crops_per_photo=settings.crops_per_photo,
    batch_size=settings.batch_size,
    seed=settings.seed,
)
test = ImageFolder(
    photos[-held_out:],
    crop_size=settings.test_size,
    batch_size=held_out,
    shuffle=False,
)
hr = test[0]
say(f"{len(photos) - held_out} photos to train on, {len(hr)} held out")

# === Model ===
srgan = SRGAN(
    Generator(
        scale=settings.scale,
        num_blocks=settings.num_blocks,
        filters=settings.filters,
    ),
    Discriminator(filters=settings.discriminator_filters),
    augmentation=Augmentation(**settings.augmentation),
)
lr = srgan.degradation(hr)
bicubic = keras.ops.image.resize(lr, hr.shape[1:3], interpolation="bicubic")
bicubic = float(keras.ops.mean(psnr(hr, bicubic, shave=settings.scale)))
say(f"held-out photos, bicubic: PSNR {bicubic:.2f} dB")

# === Stage one: mean squared error alone ===
if settings.pretrain_epochs:
    steps = settings.pretrain_epochs * len(train)
    rate = keras.optimizers.schedules.CosineDecay(settings.pretrain_rate, steps)
    srgan.compile(
        keras.optimizers.Adam(rate),
        content_loss="mse",
        adversarial_weight=0,
        metrics=[PSNR(shave=settings.scale), SSIM(shave=settings.scale)],
    )
    srgan.fit(
        train,
        epochs=settings.pretrain_epochs,
        validation_data=test,
        callbacks=[
            callbacks.TestPictures(
                hr, out / "pretraining", scale=settings.scale
            ),
            callbacks.LossCurves(out / "pretraining"),
            # Kept, so that a resumed run does not start this stage again.
            callbacks.BackupAndRestore(
                out / "backup/pretraining", delete_checkpoint=False
            ),
        ],
    )
    if first:
        srgan.save(out / "pretrained.keras")
    score = srgan.evaluate(test, verbose=0, return_dict=True)["psnr"]
    say(f"held-out photos, after stage one: PSNR {score:.2f} dB")

# === Stage two: the GAN ===
content_loss = settings.content_loss
if content_loss == "vgg":
    content_loss = VGGContentLoss(weights=settings.vgg_weights)
srgan.compile(
    keras.optimizers.Adam(settings.learning_rate, epsilon=1e-8, name="g"),
    keras.optimizers.Adam(settings.learning_rate, epsilon=1e-8, name="d"),
    content_loss=content_loss,
    adversarial_weight=settings.adversarial_weight,
    pixel_weight=settings.pixel_weight,
    metrics=[PSNR(shave=settings.scale), SSIM(shave=settings.scale)],
)
left_behind = [
    callbacks.TestPictures(
        hr, out, scale=settings.scale, compare_epochs=(42, 60)
    ),
    callbacks.LossCurves(out),
    callbacks.PeriodicCheckpoint(out, every=settings.checkpoint_every),
    callbacks.BestCheckpoint(out, monitor="val_psnr"),
]
if settings.tensorboard:
    left_behind.append(callbacks.TensorBoard(out / "tensorboard", out))
srgan.fit(
    train,
    epochs=settings.epochs,
    validation_data=test,
    callbacks=[*left_behind, callbacks.BackupAndRestore(out / "backup/gan")],
)
if first:
    srgan.save(out / "srgan.keras")
score = srgan.evaluate(test, verbose=0, return_dict=True)["psnr"]
say(f"held-out photos, after the GAN: PSNR {score:.2f} dB")
say(f"pictures, curves and models are in {out}")
