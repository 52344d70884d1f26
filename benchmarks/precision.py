"""Train twice from the same weights, in float32 and in bfloat16.

    python benchmarks/precision.py PHOTOS --vgg-weights FILE

Both runs start from the preset `srresnet_x4` and use the same batches and
losses. The program evaluates each run's averaged weights in float32, prints
their PSNR on held-out photos, and writes the loss curves to
`OUT/precision.png`.
"""

import argparse
import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import ImageFolder
from keras_srgan import VGGContentLoss

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add("photos", metavar="PHOTOS", help="folder; the last 5 files are held out")
add(
    "--vgg-weights",
    default="imagenet",
    help="'imagenet' or a file (default: imagenet)",
)
add("--steps", type=int, default=200, help="default: 200")
add("--batch-size", type=int, default=4, help="default: 4")
add("--crop-size", type=int, default=96, help="default: 96")
add("--out", default="runs", metavar="DIR", help="default: %(default)s")
settings = parser.parse_args()
out = pathlib.Path(settings.out)
out.mkdir(parents=True, exist_ok=True)

train, test = ImageFolder(
    settings.photos,
    crop_size=settings.crop_size,
    batch_size=settings.batch_size,
    crop="random",
    seed=1,
).split(5)
content_loss = VGGContentLoss(weights=settings.vgg_weights, vgg_dtype="float32")


def run(precision):
    """Trains, prints the PSNR and returns the losses of each step."""
    keras.utils.set_random_seed(0)
    start = Discriminator().get_weights()
    srgan = SRGAN.from_preset(
        "srresnet_x4",
        dtype=precision,
        discriminator=Discriminator(dtype=precision),
    )
    srgan.discriminator.set_weights(start)
    # Averaging removes the noise of the last steps from the weights.
    adams = [
        keras.optimizers.Adam(
            1e-4, epsilon=1e-8, use_ema=True, ema_momentum=0.95, name=name
        )
        for name in ("generator_adam", "discriminator_adam")
    ]
    srgan.compile(
        *adams,
        content_loss=VGGContentLoss(
            weights=settings.vgg_weights, vgg_dtype=precision
        ),
    )
    losses = []
    train.set_epoch(0)
    for step in range(settings.steps):
        if step and step % len(train) == 0:
            train.set_epoch(step // len(train))
        logs = srgan.train_on_batch(train[step % len(train)], return_dict=True)
        losses.append([logs["content_loss"], logs["discriminator_loss"]])
        srgan.reset_metrics()
        print(f"\r{precision}, step {step + 1}", end="", flush=True)
    srgan.optimizer.finalize_variable_values(srgan.trainable_variables)
    # Evaluate both in float32.
    exact = SRGAN(Generator(), dtype="float32")
    exact.generator.set_weights(srgan.generator.get_weights())
    exact.compile(content_loss=content_loss)
    scores = exact.evaluate(test, verbose=0, return_dict=True)
    print(
        f": PSNR {scores['psnr']:.3f} dB, "
        f"content loss {scores['content_loss']:.4f} on held-out photos"
    )
    return np.array(losses)


curves = {
    precision: run(precision) for precision in ("float32", "mixed_bfloat16")
}
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for i, name in enumerate(("content loss", "discriminator loss")):
    for precision, losses in curves.items():
        axes[i].plot(losses[:, i], label=precision)
    axes[i].set(xlabel="step", title=name)
    axes[i].legend()
figure.savefig(out / "precision.png")
print(f"Curves: {out / 'precision.png'}")
