import os
import pathlib

import keras
import numpy as np
from PIL import Image

from keras_srgan.distribution import FirstProcessCallback


class TensorBoardPictures(keras.callbacks.TensorBoard, FirstProcessCallback):
    """`keras.callbacks.TensorBoard` with the pictures of `ProgressPictures`.

    Place it after `ProgressPictures` in the list of callbacks. It needs
    TensorFlow, on every backend, and TensorBoard:
    `pip install keras-srgan[tensorboard]`.

    Args:
        log_dir: Path of the folder that TensorBoard will read.
        pictures: Path of the folder that `ProgressPictures` writes to.
        **kwargs: As in `keras.callbacks.TensorBoard`.

    Example:

    ```python
    from keras_srgan.callbacks import TensorBoardPictures

    TensorBoardPictures("runs/faces/tensorboard", pictures="runs/faces")
    ```
    """

    def __init__(
        self,
        log_dir: str | os.PathLike,
        pictures: str | os.PathLike,
        **kwargs,
    ):
        super().__init__(os.fspath(log_dir), **kwargs)
        self.pictures = pathlib.Path(pictures)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._pictures_writer = self.summary.create_file_writer(
            os.path.join(self.log_dir, "pictures")
        )

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        path = self.pictures / f"epoch-{epoch + 1:04d}.png"
        if not path.exists():
            return
        with Image.open(path) as sheet, self._pictures_writer.as_default():
            self.summary.image("test photos", np.asarray(sheet)[None], epoch)

    def on_train_end(self, logs=None):
        super().on_train_end(logs)
        self._pictures_writer.close()
