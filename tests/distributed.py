"""Trains for eight steps on all devices: a part of test_distribution.py.

KERAS_BACKEND=jax python tests/distributed.py PHOTOS OUT OPTIMIZER LOSS
"""

import os
import pathlib
import signal
import sys

import keras
import numpy as np
from steps import OPTIMIZERS

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import ImageFolder
from keras_srgan import VGGContentLoss
from keras_srgan import callbacks
from keras_srgan import distribute


def split_tensorflow_cpu(count):
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * count,
    )


class Die(keras.callbacks.Callback):
    """Kills the process in the second epoch, as a machine's end would."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def main(photos, out, optimizer, loss):
    if "TENSORFLOW_DEVICES" in os.environ:
        split_tensorflow_cpu(int(os.environ["TENSORFLOW_DEVICES"]))
    first = distribute()
    index = os.environ.get("RANK") or os.environ.get(
        "KERAS_DISTRIBUTION_PROCESS_ID", "0"
    )
    keras.utils.set_random_seed(0)
    srgan = SRGAN(Generator(num_blocks=2, filters=8), Discriminator(filters=4))
    # See tests/steps.py.
    for weight in srgan.discriminator.trainable_variables:
        if len(weight.shape) == 4:
            weight.assign(2 * weight)
    if loss == "vgg":
        loss = VGGContentLoss("block2_conv2", weights=None)
    make = OPTIMIZERS[optimizer]
    srgan.compile(make(), make(), loss, pixel_weight=0.1)
    out = pathlib.Path(out)
    train = ImageFolder(photos, 32, batch_size=8, crop="random")
    test = ImageFolder(train.files[:5], 32, batch_size=3, shuffle=False)
    left_behind = [
        callbacks.TestPictures(test[0][:1], out),
        callbacks.LossCurves(out),
        callbacks.PeriodicCheckpoint(out, every=1),
        callbacks.BestCheckpoint(out),
        callbacks.BackupAndRestore(out / "backup"),
    ]
    if index == os.environ.get("DYING_PROCESS"):
        left_behind.append(Die())
    history = srgan.fit(
        train,
        epochs=2,
        validation_data=test,
        callbacks=left_behind,
        verbose=0,
    ).history
    if first:
        np.savez(
            out / "result.npz",
            *[np.array(weight.numpy()) for weight in srgan.trainable_variables],
            **history,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
