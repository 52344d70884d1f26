import concurrent.futures
import hashlib
import math
import os
import pathlib
import re
import tempfile
import threading
import warnings
from collections.abc import Sequence

import numpy as np
from PIL import Image
from PIL import ImageOps

from keras_srgan.dataset import EpochDataset
from keras_srgan.files import make_writable

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}


def load_image(path: str | os.PathLike) -> np.ndarray:
    """Reads a photo, whatever its format, as upright RGB.

    Args:
        path: The file. Grey (8 and 16 bits), palette and CMYK photos become
            RGB, transparent ones are laid on white, as a browser shows them,
            and the rotation noted in EXIF is carried out. Of several frames,
            the first is read. Colour profiles are ignored.

    Returns:
        uint8 array of shape `(height, width, 3)`, RGB in [0, 255].

    Raises:
        OSError: The file is missing, corrupt, truncated or no photo. The
            message names it.

    Example:

    ```python
    from PIL import Image
    from keras_srgan.data import load_image

    Image.new("CMYK", (64, 48)).save("photo.jpg")
    load_image("photo.jpg").shape  # (48, 64, 3)
    ```
    """
    try:
        with Image.open(path) as image:
            ImageOps.exif_transpose(image, in_place=True)
        if image.mode == "F":
            raise ValueError("floating-point pixels have no agreed range")
        if image.mode.startswith("I"):
            # Pillow itself clips 16 bits to 255 instead of scaling them.
            grey = np.clip(np.asarray(image, "float32") / 257, 0, 255)
            image = Image.fromarray(np.rint(grey).astype("uint8"))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        if image.mode != "RGB":
            image = image.convert("RGB")
        return np.array(image)
    # On a broken file Pillow raises nearly anything, from SyntaxError to
    # struct.error, and seldom says which file it was.
    except Exception as error:
        raise OSError(f"Cannot read the photo {path}: {error}") from error


class ImageFolder(EpochDataset):
    """Batches of equal square crops of the photos in a folder.

    What it yields depends only on the files, the arguments, the epoch and the
    batch's index, never on the number of workers or on what was read before:
    a run that resumes at an epoch sees the batches it would have seen.

    Photos are read by `load_image`. A file that cannot be read, or is smaller
    than the crop, is named in one warning, and the photo after it in the
    epoch's order takes its place.

    Args:
        directory: Path of a folder, searched with all its subfolders for jpg,
            jpeg, png, webp, tif, tiff and bmp files, hidden ones aside; or a
            list of files, used in the order given.
        crop_size: Integer. Height and width of a crop in pixels. Defaults to
            `128`.
        batch_size: Integer. Crops a batch. Defaults to `30`.
        crop: `"center"`, or `"random"` for another place each epoch. Defaults
            to `"center"`.
        crops_per_photo: Integer. How many times an epoch visits each photo;
            above 1 only with `crop="random"`. Defaults to `1`.
        shuffle: Boolean. Whether each epoch has its own order. It also drops
            the last batch if it is not full, so that training compiles for
            one shape (a folder with less than one batch is one batch all the
            same). Without it every photo comes, in the order of `files`, and
            the last batch may be smaller. Defaults to `True`.
        seed: Non-negative integer. Seed of the order and of the random crops.
            Defaults to `0`.
        on_error: `"warn"` to skip a bad file, `"raise"` to stop at it.
            Defaults to `"warn"`.
        cache_bytes: Integer. Decoded photos are kept in memory up to this
            size, so that later epochs need not decode them again. Defaults to
            `2**30`, 1 GiB.
        cache_dir: Path of a folder, made if missing, for the decoded photos
            that memory has no room for, about 3 bytes a pixel: a crop is then
            read without the rest of its photo. Defaults to `None`: such
            photos are decoded each time.
        workers: Integer. Threads that read the next batches, as many as there
            are threads, while the model is busy; as long as batches are asked
            for in order. `0` reads in the calling thread. Defaults to `2`.

    Attributes:
        files: List of `pathlib.Path`. The photos, numbers in their names
            sorted by value (`2.jpg` before `10.jpg`).
        epoch: Integer. The epoch whose batches it yields: see `set_epoch`.

    Returns (`dataset[index]`):
        uint8 array of shape `(batch, crop_size, crop_size, 3)`, RGB.

    Raises:
        ValueError: An argument is wrong, the folder is missing or holds no
            photo, or none of its photos can be used; with
            `on_error="raise"`, a photo is too small.
        OSError: With `on_error="raise"`, a file cannot be read.

    Example:

    ```python
    import numpy as np
    from PIL import Image
    from keras_srgan import ImageFolder

    for i in range(10):
        noise = np.random.randint(0, 256, (218, 178, 3), "uint8")
        Image.fromarray(noise).save(f"{i}.png")

    train, test = ImageFolder(".", batch_size=2).split(5)
    len(train), train[0].shape  # (2, (2, 128, 128, 3))
    ```

    `model.fit` shuffles the batches once more, with Python's global random
    state, unless told `shuffle=False`.
    """

    def __init__(
        self,
        directory: str | os.PathLike | Sequence[str | os.PathLike],
        crop_size: int = 128,
        batch_size: int = 30,
        crop: str = "center",
        crops_per_photo: int = 1,
        shuffle: bool = True,
        seed: int = 0,
        on_error: str = "warn",
        cache_bytes: int = 2**30,
        cache_dir: str | os.PathLike | None = None,
        workers: int = 2,
    ):
        # Keras is told of no workers: when an epoch is cut short, and Keras
        # cuts one to build a model, the batches its own threads had begun
        # come back in the next epoch.
        super().__init__(workers=0)
        for name, value, least in [
            ("crop_size", crop_size, 1),
            ("batch_size", batch_size, 1),
            ("crops_per_photo", crops_per_photo, 1),
            ("seed", seed, 0),
            ("cache_bytes", cache_bytes, 0),
            ("workers", workers, 0),
        ]:
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"`{name}` must be an integer, at least {least}. "
                    f"Received: {name}={value!r}"
                )
        if crop not in ("center", "random"):
            raise ValueError(
                f'`crop` must be "center" or "random". Received: crop={crop!r}'
            )
        if crops_per_photo > 1 and crop == "center":
            raise ValueError(
                '`crops_per_photo` must be 1 with `crop="center"`, whose crops '
                f"are all the same. Received: crops_per_photo={crops_per_photo}"
            )
        if on_error not in ("warn", "raise"):
            raise ValueError(
                '`on_error` must be "warn" or "raise". '
                f"Received: on_error={on_error!r}"
            )
        if cache_dir is not None:
            make_writable(cache_dir=cache_dir)
        if isinstance(directory, (str, os.PathLike)):
            self.files = find_photos(directory)
        else:
            self.files = [pathlib.Path(file) for file in directory]
        if not self.files:
            raise ValueError(
                "`directory` must hold at least one photo "
                f"({', '.join(sorted(SUFFIXES))}). "
                f"Received: directory={str(directory)!r}"
            )
        self.crop_size = crop_size
        self.batch_size = batch_size
        self.crop = crop
        self.crops_per_photo = crops_per_photo
        self.shuffle = shuffle
        self.seed = seed
        self.on_error = on_error
        self.cache_bytes = cache_bytes
        self.cache_dir = cache_dir
        self.threads = workers
        self.epoch = 0
        self._share = (0, 1)

        if workers:
            self._pool = concurrent.futures.ThreadPoolExecutor(workers)
        self._ahead = {}
        self._cache = {}
        self._cache_room = cache_bytes
        self._bad = set()
        self._lock = threading.Lock()

    def __len__(self):
        batches = len(self.files) * self.crops_per_photo / self.batch_size
        if self.shuffle:
            return max(1, math.floor(batches))
        return math.ceil(batches)

    def __getitem__(self, index):
        epoch, index = self.epoch, range(len(self))[index]
        in_memory = len(self._cache) + len(self._bad) == len(self.files)
        # A worker would take longer to be told than to read.
        if in_memory or not self.threads:
            return self._batch(epoch, index)
        ahead = self._ahead
        # Batches asked for in another order would be read ahead in vain.
        in_order = index == 0 or (epoch, index) in ahead
        batch = self._begin(epoch, index)
        following = range(index + 1, min(index + 1 + self.threads, len(self)))
        self._ahead = {
            (epoch, i): self._begin(epoch, i) for i in following if in_order
        }
        for key in ahead.keys() - self._ahead.keys() - {(epoch, index)}:
            ahead[key].cancel()
        return batch.result()

    def set_epoch(self, epoch: int):
        """Chooses the epoch whose order and crops the batches follow.

        `SRGAN.fit` calls it as each epoch begins. Elsewhere Keras moves it on
        by one after each epoch, counting from 1.

        Args:
            epoch: Non-negative integer.
        """
        if not isinstance(epoch, int) or epoch < 0:
            raise ValueError(
                "`epoch` must be a non-negative integer. "
                f"Received: epoch={epoch!r}"
            )
        self.epoch = epoch

    def on_epoch_end(self):
        self.epoch += 1

    def set_share(self, index: int, count: int, devices: int | None = None):
        """Chooses the part of each batch that is read and given out.

        `SRGAN.fit` calls it, so that where several processes train together
        each reads its own photos and all of them the batches that one would.

        Args:
            index: Integer. The part, from 0.
            count: Integer. How many parts there are, all of one size.
            devices: Integer, a multiple of `count`. How many devices divide
                all parts of a batch between them. Defaults to `count`.

        Raises:
            ValueError: a batch cannot be divided between so many devices.
        """
        sizes = [len(self._positions(i, 0, 1)) for i in (0, len(self) - 1)]
        devices = devices or count
        if any(size % devices for size in sizes):
            raise ValueError(
                f"`batch_size` must be a multiple of {devices}, the number of "
                "devices that share each batch, and so must what is left "
                f"for the last. Received: batch_size={self.batch_size}, "
                f"batches of {' to '.join(map(str, sizes))} photos"
            )
        self._share = (index, count)
        self._ahead = {}

    def split(
        self, held_out: int | float
    ) -> tuple["ImageFolder", "ImageFolder"]:
        """Sets the last files apart, for validation or testing.

        Args:
            held_out: How many files: an integer, or a float for their share,
                between 0 and 1. The reference experiment tests on the last 5.

        Returns:
            Two `ImageFolder`s: the other files, with the settings of this
            one, and the files held out, unshuffled and cropped at the center.

        Raises:
            ValueError: `held_out` leaves no file to one of the parts.
        """
        count = held_out
        if isinstance(held_out, float) and 0 < held_out < 1:
            count = max(1, round(held_out * len(self.files)))
        if not isinstance(count, int) or not 0 < count < len(self.files):
            raise ValueError(
                "`held_out` must be a number of files, or a share between 0 "
                f"and 1, and leave some of the {len(self.files)} files to "
                f"train on. Received: held_out={held_out!r}"
            )
        settings = {
            "crop_size": self.crop_size,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "on_error": self.on_error,
            "cache_bytes": self.cache_bytes,
            "cache_dir": self.cache_dir,
            "workers": self.threads,
        }
        train = ImageFolder(
            self.files[:-count],
            crop=self.crop,
            crops_per_photo=self.crops_per_photo,
            shuffle=self.shuffle,
            **settings,
        )
        return train, ImageFolder(
            self.files[-count:], shuffle=False, **settings
        )

    def _random(self, *key):
        return np.random.default_rng(
            np.random.SeedSequence(self.seed, spawn_key=key)
        )

    def _begin(self, epoch, index):
        """Sets a worker to a batch, unless one is at it; returns a future."""
        # A worker reads a whole batch: small photos take less time than
        # handing them over would.
        return self._ahead.get((epoch, index)) or self._pool.submit(
            self._batch, epoch, index
        )

    def _batch(self, epoch, index):
        order = np.arange(len(self.files) * self.crops_per_photo)
        if self.shuffle:
            self._random(epoch).shuffle(order)
        return np.stack(
            [
                self._read(epoch, order, position)
                for position in self._positions(index, *self._share)
            ]
        )

    def _positions(self, index, share, count):
        """Returns the places in the epoch's order of a share of a batch."""
        first = index * self.batch_size
        last = min(
            first + self.batch_size, len(self.files) * self.crops_per_photo
        )
        size = (last - first) // count
        return range(first + share * size, first + (share + 1) * size)

    def _read(self, epoch, order, position):
        """Reads the crop at a position of the epoch's order."""
        # What is known of the files saves time here, but must never change
        # the outcome, or it would depend on what other threads have read.
        for slot in range(position, position + len(order)):
            number = order[slot % len(order)] // self.crops_per_photo
            file = self.files[number]
            if file in self._bad:
                continue
            try:
                photo = self._load(file)
                if min(photo.shape[:2]) < self.crop_size:
                    height, width, _ = photo.shape
                    raise ValueError(
                        f"The photo {file} is too small for `crop_size`="
                        f"{self.crop_size}: {width} x {height} pixels"
                    )
            except (OSError, ValueError) as error:
                if self.on_error == "raise":
                    raise
                self._skip(file, error)
            else:
                return self._cut(photo, epoch, position)
        raise ValueError(
            f"None of the {len(self.files)} photos can be used, from "
            f"{self.files[0]} to {self.files[-1]}: see the warnings"
        )

    def _load(self, file):
        photo = self._cache.get(file)
        if photo is None and self.cache_dir:
            photo = self._load_from_disk(file)
        if photo is None:
            photo = load_image(file)
            with self._lock:
                room = photo.nbytes <= self._cache_room
                if room and file not in self._cache:
                    self._cache_room -= photo.nbytes
                    self._cache[file] = photo
            if self.cache_dir and file not in self._cache:
                self._save_to_disk(file, photo)
        return photo

    def _cached(self, file):
        """Returns the path of a photo, as it is now, in `cache_dir`."""
        status = os.stat(file)
        key = f"{file.resolve()} {status.st_size} {status.st_mtime_ns}"
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        return pathlib.Path(self.cache_dir, f"{name}.npy")

    def _load_from_disk(self, file):
        try:
            return np.load(self._cached(file), mmap_mode="r")
        # A file that lost its content with the power is one that ends early.
        except (EOFError, OSError, ValueError):
            return None

    def _save_to_disk(self, file, photo):
        path = self._cached(file)
        try:
            # A folder of its own: others may be at the same photo.
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                np.save(os.path.join(folder, path.name), photo)
                os.replace(os.path.join(folder, path.name), path)
        except OSError as error:
            # The photo is well; it will have to be decoded again.
            self.cache_dir = None
            warnings.warn(
                f"`cache_dir` is not used any more: {error}", stacklevel=2
            )

    def _skip(self, file, error):
        with self._lock:
            if file in self._bad:
                return
            self._bad.add(file)
        warnings.warn(f"{error}. Skipped.", stacklevel=2)

    def _cut(self, photo, epoch, position):
        size = self.crop_size
        spare = np.subtract(photo.shape[:2], size)
        if self.crop == "random":
            top, left = self._random(epoch, position).integers(spare + 1)
        else:
            top, left = spare // 2
        return photo[top : top + size, left : left + size]


def find_photos(directory):
    def fail(error):
        raise ValueError(
            "`directory` must be a folder whose subfolders can all be read "
            f"({error}). Received: directory={str(directory)!r}"
        ) from error

    files = []
    for folder, subfolders, names in os.walk(directory, onerror=fail):
        subfolders[:] = [name for name in subfolders if name[0] != "."]
        files += [
            pathlib.Path(folder, name)
            for name in names
            if name[0] != "." and os.path.splitext(name)[1].lower() in SUFFIXES
        ]

    def natural(file):
        path = file.relative_to(directory)
        names = [re.split(r"([0-9]+)", name) for name in path.parts]
        for name in names:
            # Digits stand at the odd places.
            name[1::2] = map(int, name[1::2])
        # The path itself decides between 1 and 01.
        return names, path.as_posix()

    return sorted(files, key=natural)
