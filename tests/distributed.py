"""Trains for eight steps on all devices: a part of test_distribution.py.

KERAS_BACKEND=jax python tests/distributed.py PHOTOS OUT
"""

import os
import pathlib
import signal
import sys

import keras
import numpy as np
from steps import make_srgan

from keras_srgan import Augmentation
from keras_srgan import ImageFolder
from keras_srgan import VGGContentLoss
from keras_srgan import callbacks
from keras_srgan import distribute


class Die(keras.callbacks.Callback):
    """Kills the process in the second epoch, as a machine's end would."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            os.kill(os.getpid(), signal.SIGKILL)


def split_tensorflow_cpu(count):
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * count,
    )


def main(photos, out):
    if "TENSORFLOW_DEVICES" in os.environ:
        split_tensorflow_cpu(int(os.environ["TENSORFLOW_DEVICES"]))
    first = distribute()
    keras.utils.set_random_seed(0)
    loss = VGGContentLoss("block2_conv2", weights=None)
    loss.build()
    # The processes of `torchrun` start from the first one's weights.
    keras.utils.set_random_seed(int(os.environ.get("RANK", 0)))
    srgan = make_srgan()
    srgan.augmentation = Augmentation()
    srgan.compile(
        keras.optimizers.SGD(0.01), keras.optimizers.SGD(0.01), loss, 0.1, 0.1
    )
    out = pathlib.Path(out)
    train = ImageFolder(photos, 32, batch_size=8, crop="random")
    test = ImageFolder(train.files[:5], 32, batch_size=3, shuffle=False)
    left_behind = [
        callbacks.ProgressPictures(test[0][:1], out),
        callbacks.LossCurves(out),
        callbacks.PeriodicCheckpoint(out, every=1),
        callbacks.BestCheckpoint(out),
        callbacks.RunBackup(out / "backup"),
    ]
    if os.environ.get("RANK") == os.environ.get("DYING_RANK", ""):
        left_behind.append(Die())
    start = [np.array(weight.numpy()) for weight in srgan.trainable_variables]
    srgan.fit(
        train,
        epochs=2,
        validation_data=test,
        callbacks=left_behind,
        verbose=0,
    )
    end = [np.array(weight.numpy()) for weight in srgan.trainable_variables]
    if first:
        np.savez(
            out / "weights.npz",
            **{f"start_{i}": weight for i, weight in enumerate(start)},
            **{f"end_{i}": weight for i, weight in enumerate(end)},
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
