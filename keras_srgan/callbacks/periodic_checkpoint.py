import os
import pathlib

from keras_srgan.checks import check_integer
from keras_srgan.distribution import FirstProcessCallback
from keras_srgan.files import make_writable
from keras_srgan.files import replacing


class PeriodicCheckpoint(FirstProcessCallback):
    """Saves the model every few epochs, and after the last.

    The files, such as `srgan-epoch-0020.keras`, are kept: to compare, to
    publish, to start another run from. Where an optimizer averages the
    weights, they hold the averages.

    Args:
        directory: Path of the folder to write to; made if missing.
        every: Integer, at least 1. Epochs between two files. Defaults to
            `20`.

    Raises:
        ValueError: if `every` is not an integer, at least 1; at the start of
            training, if `directory` cannot be written to.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_srgan import SRGAN, Generator
    from keras_srgan.callbacks import PeriodicCheckpoint

    photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    srgan.fit(photos, epochs=2, callbacks=[PeriodicCheckpoint("runs/faces")])
    srgan = keras.saving.load_model("runs/faces/srgan-epoch-0002.keras")
    ```
    """

    def __init__(self, directory: str | os.PathLike, every: int = 20):
        super().__init__()
        check_integer(1, every=every)
        self.directory = pathlib.Path(directory)
        self.every = every

    def on_train_begin(self, logs=None):
        make_writable(directory=self.directory)
        self._unsaved = None

    def on_epoch_end(self, epoch, logs=None):
        self._unsaved = epoch + 1
        # Saved here as well as in `on_train_end`, which a killed run never
        # reaches.
        last = epoch + 1 == self.params["epochs"] or self.model.stop_training
        if (epoch + 1) % self.every == 0 or last:
            self._save()

    def on_train_end(self, logs=None):
        # A later callback may have stopped training.
        if self._unsaved:
            self._save()

    def _save(self):
        name = f"srgan-epoch-{self._unsaved:04d}.keras"
        with replacing(self.directory / name) as partial:
            self.model.save(partial)
        self._unsaved = None
