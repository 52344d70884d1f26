import os
import pathlib

import keras
import numpy as np
from PIL import Image

from keras_srgan import pictures
from keras_srgan.checks import check_integer
from keras_srgan.distribution import is_first
from keras_srgan.files import make_writable
from keras_srgan.files import replacing

MAX_PHOTOS = 6


class ProgressPictures(keras.callbacks.Callback):
    """Draws the model's outputs for fixed test photos after epochs.

    Written under `directory`, with epochs counted from one:

    - `test/lr/00.png`, `test/hr/00.png` and so on: the test images, once;
    - `epoch-0042/00.png` and so on: the model's outputs;
    - `epoch-0042.png`: one row per photo with LR (nearest and bicubic), SR
      and HR;
    - `comparison.png`, at the end of training: LR, the epochs of
      `compare_epochs`, and HR, drawn from the files above.

    The pictures show PSNR on Y, with `scale` border pixels shaved.

    Args:
        hr: The HR photos: a uint8 array `(count, height, width, 3)`, or a
            list of uint8 arrays `(height, width, 3)` of any sizes; RGB in
            [0, 255], height and width multiples of `scale`. The first six
            are used.
        directory: Path of the folder to write to; made if missing.
        lr: The LR images of `hr` in the same order, `scale` times smaller.
            Defaults to `None`: `hr` shrunk by Pillow's bicubic.
        scale: Integer, at least 2. The model's. Defaults to `4`.
        compare_epochs: Integers. The epochs to compare at the end, if they
            were drawn. If none was, as many are chosen evenly, from first to
            last. Defaults to `(42, 60)`, those of the reference experiment.
        every: Integer, at least 1. Epochs between two pictures; the last is
            always drawn. Defaults to `1`.

    Raises:
        ValueError: if the photos are not as above; at the start of training,
            if `directory` cannot be written to or the model's outputs do not
            have the size of `hr`.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN, Generator
    from keras_srgan.callbacks import ProgressPictures

    photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    pictures = ProgressPictures(photos[:2], "runs/faces")
    srgan.fit(photos[2:], callbacks=[pictures])
    ```
    """

    def __init__(
        self,
        hr,
        directory: str | os.PathLike,
        lr=None,
        scale: int = 4,
        compare_epochs: tuple[int, ...] = (42, 60),
        every: int = 1,
    ):
        super().__init__()
        check_integer(1, every=every)
        check_integer(2, scale=scale)
        hr = _photos(hr, "hr")
        for photo in hr:
            # The PSNR leaves out `scale` pixels at each border.
            if any(side % scale or side <= 2 * scale for side in photo.size):
                raise ValueError(
                    "The height and width of `hr` photos must be multiples of "
                    f"`scale`={scale} and at least {3 * scale}. Received: hr "
                    f"with a photo of {photo.height}x{photo.width} pixels"
                )
        if lr is None:
            lr = [
                photo.resize(
                    (photo.width // scale, photo.height // scale),
                    Image.Resampling.BICUBIC,
                )
                for photo in hr
            ]
        else:
            lr = _photos(lr, "lr")
            sizes = [
                (scale * image.width, scale * image.height) for image in lr
            ]
            if sizes != [photo.size for photo in hr]:
                raise ValueError(
                    f"`lr` must hold the images of `hr`, {scale} times "
                    f"smaller. Received: lr of sizes {[i.size for i in lr]} "
                    f"for hr of sizes {[i.size for i in hr]} (width, height)"
                )
        self.hr = hr
        self.lr = lr
        self.directory = pathlib.Path(directory)
        self.scale = scale
        self.compare_epochs = tuple(compare_epochs)
        self.every = every

    def on_train_begin(self, logs=None):
        if is_first():
            make_writable(directory=self.directory)
        # Fails now rather than after the first epoch.
        for sr, hr in zip(self._upscale(), self.hr, strict=True):
            if sr.size != hr.size:
                raise ValueError(
                    "The model's outputs must have the size of the `hr` test "
                    f"photos: is its scale {self.scale}? Received: an output "
                    f"of {sr.height}x{sr.width} pixels for a photo of "
                    f"{hr.height}x{hr.width}"
                )
        self._last_epoch = self.params["epochs"]
        if is_first():
            self._write("test/lr", self.lr)
            self._write("test/hr", self.hr)

    def on_epoch_end(self, epoch, logs=None):
        self._last_epoch = epoch + 1
        last = epoch + 1 == self.params["epochs"] or self.model.stop_training
        if (epoch + 1) % self.every and not last:
            return
        name = f"epoch-{epoch + 1:04d}"
        # On JAX, all processes must call a model that is on many devices.
        sr = self._upscale()
        if not is_first():
            return
        self._write(name, sr)
        columns = {
            "LR, nearest": self._enlarge(self.lr, Image.Resampling.NEAREST),
            "LR, bicubic": self._enlarge(self.lr, Image.Resampling.BICUBIC),
            f"SR, epoch {epoch + 1}": sr,
            "HR": self.hr,
        }
        with replacing(self.directory / f"{name}.png") as partial:
            pictures.contact_sheet(columns, self.scale).save(partial)

    def on_train_end(self, logs=None):
        epochs = self._compared_epochs()
        if not epochs or not is_first():
            return
        lr = self._enlarge(self._read("test/lr"), Image.Resampling.NEAREST)
        columns = {
            "LR": lr,
            **{f"epoch {i}": self._read(f"epoch-{i:04d}") for i in epochs},
            "HR": self._read("test/hr"),
        }
        with replacing(self.directory / "comparison.png") as partial:
            pictures.contact_sheet(columns, self.scale).save(partial)

    def _compared_epochs(self):
        """Returns the epochs to compare, among those whose files exist."""
        # The folder may hold later epochs of a longer run.
        epochs = [
            epoch
            for epoch in range(1, self._last_epoch + 1)
            if all(path.exists() for path in self._paths(f"epoch-{epoch:04d}"))
        ]
        chosen = [epoch for epoch in self.compare_epochs if epoch in epochs]
        if chosen or not epochs:
            return chosen
        places = np.linspace(0, len(epochs) - 1, len(self.compare_epochs))
        return sorted({epochs[int(place)] for place in places})

    def _upscale(self):
        # One at a time: photos may differ in size, and those of one size
        # share one compiled function.
        outputs = [
            self.model.predict(np.asarray(image)[None], verbose=0)[0]
            for image in self.lr
        ]
        return [
            Image.fromarray(
                np.rint(np.clip(np.nan_to_num(output), 0, 255)).astype("uint8")
            )
            for output in outputs
        ]

    def _enlarge(self, images, resample):
        return [
            image.resize(
                (self.scale * image.width, self.scale * image.height), resample
            )
            for image in images
        ]

    def _paths(self, folder):
        return [
            self.directory / folder / f"{i:02d}.png"
            for i in range(len(self.hr))
        ]

    def _write(self, folder, images):
        (self.directory / folder).mkdir(parents=True, exist_ok=True)
        for path, image in zip(self._paths(folder), images, strict=True):
            with replacing(path) as partial:
                image.save(partial)

    def _read(self, folder):
        images = []
        for path in self._paths(folder):
            with Image.open(path) as image:
                images.append(image.convert("RGB"))
        return images


def _photos(images, name):
    """Returns the first photos as Pillow images."""
    images = [np.asarray(image) for image in images[:MAX_PHOTOS]]
    if not images:
        raise ValueError(f"`{name}` must hold a photo. Received: {name}=[]")
    for image in images:
        if image.dtype != "uint8" or image.ndim != 3 or image.shape[-1] != 3:
            raise ValueError(
                f"`{name}` must hold uint8 RGB photos of shape (height, width,"
                f" 3). Received: {name} with an array of shape {image.shape} "
                f"and dtype {image.dtype}"
            )
    return [Image.fromarray(image) for image in images]
