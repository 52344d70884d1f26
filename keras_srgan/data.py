import concurrent.futures
import math
import os
import threading
import warnings
from collections.abc import Sequence

import numpy as np

from keras_srgan.checks import check_integer
from keras_srgan.checks import is_integer
from keras_srgan.dataset import EpochDataset
from keras_srgan.photo import load_image
from keras_srgan.photo_cache import PhotoCache
from keras_srgan.photo_files import find_photos
from keras_srgan.photo_modes import shrink
from keras_srgan.sampling import draw
from keras_srgan.sampling import weigh


class ImageFolder(EpochDataset):
    """Batches of equal square crops of the photos in a folder.

    A batch depends only on the files, the arguments, the epoch and the index of
    the batch, never on the number of workers or on earlier reads: a run that
    resumes at an epoch sees the batches it would have seen.

    Photos are read by `load_image`. A file that cannot be read, or is smaller
    than the crop, is named in one warning, and the next photo in the order of
    the epoch takes its place.

    Args:
        directory: Path of a folder, searched by `find_photos`; or a list of
            files, used in the order given.
        crop_size: Integer. Height and width of a crop in pixels. Defaults to
            `128`.
        batch_size: Integer. Crops per batch. Defaults to `30`.
        crop: `"center"`, or `"random"` for another place each epoch. Defaults
            to `"center"`.
        crops_per_photo: Integer. How many crops an epoch takes of each photo,
            on average; above 1 only with `crop="random"`. Defaults to `1`.
        shuffle: Boolean. Whether each epoch has its own order. It also drops
            the last batch if it is not full, so that training compiles for
            one shape (except in a folder with less than one batch). Otherwise
            every photo is used, in the order of `files`, and the last batch
            may be smaller. Defaults to `True`.
        seed: Non-negative integer. Seed of the order and of the random crops.
            Defaults to `0`.
        on_error: `"warn"` to skip a bad file, `"raise"` to stop at it.
            Defaults to `"warn"`.
        cache_bytes: Integer. Decoded photos are kept in memory up to this
            size, so that later epochs need not decode them again. Defaults to
            `2**30`, 1 GiB.
        cache_dir: Path of a folder, made if missing, for the decoded photos
            that do not fit in memory, about 3 bytes per pixel: a crop is then
            read without the rest of its photo. Defaults to `None`: such
            photos are decoded each time.
        workers: Integer. Threads that read the next batches, one batch per
            thread, while the model is busy, as long as batches are requested
            in order. `0` reads in the calling thread. Defaults to `2`.
        sampling: `"photos"` to take equally many crops of each photo, or
            `"pixels"` to take them in proportion to the pixels of a photo, up
            to 0.4 megapixels, so that small photos are not overrepresented;
            only with `crop="random"` and `shuffle=True`. Defaults to
            `"photos"`.
        max_megapixels: Float. Photos with more are halved in size, as often
            as needed, when they are read: photos of many megapixels are soft
            at the scale of a pixel. Defaults to `None`: photos are never
            shrunk.

    Attributes:
        files: List of `pathlib.Path`. The photos.
        epoch: Integer. The epoch of the batches: see `set_epoch`.

    Returns (`dataset[index]`):
        uint8 array of shape `(batch, crop_size, crop_size, 3)`, RGB.

    Raises:
        ValueError: if an argument is wrong, the folder is missing or holds no
            photo, or none of its photos can be used; with
            `on_error="raise"`, if a photo is too small.
        OSError: with `on_error="raise"`, if a file cannot be read.

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
    state, unless called with `shuffle=False`.
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
        sampling: str = "photos",
        max_megapixels: float | None = None,
    ):
        # Keras' own workers are not used: when an epoch is cut short, batches
        # they have prefetched leak into the next epoch. Keras cuts one short
        # to build a model.
        super().__init__(workers=0)
        check_integer(
            1,
            crop_size=crop_size,
            batch_size=batch_size,
            crops_per_photo=crops_per_photo,
        )
        check_integer(0, seed=seed, cache_bytes=cache_bytes, workers=workers)
        for name, value, choices in [
            ("crop", crop, ("center", "random")),
            ("on_error", on_error, ("warn", "raise")),
            ("sampling", sampling, ("photos", "pixels")),
        ]:
            if value not in choices:
                raise ValueError(
                    f'`{name}` must be "{choices[0]}" or "{choices[1]}". '
                    f"Received: {name}={value!r}"
                )
        if crops_per_photo > 1 and crop == "center":
            raise ValueError(
                '`crops_per_photo` must be 1 with `crop="center"`, whose crops '
                f"are all the same. Received: crops_per_photo={crops_per_photo}"
            )
        if sampling == "pixels" and not (crop == "random" and shuffle):
            raise ValueError(
                '`sampling="pixels"` needs `crop="random"` and `shuffle=True`. '
                f"Received: crop={crop!r}, shuffle={shuffle!r}"
            )
        if max_megapixels is not None and not max_megapixels > 0:
            raise ValueError(
                "`max_megapixels` must be positive or `None`. "
                f"Received: max_megapixels={max_megapixels!r}"
            )
        self._cache = PhotoCache(
            cache_bytes,
            cache_dir,
            f" {max_megapixels}" if max_megapixels else "",
        )
        self.files = find_photos(directory)
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
        self.sampling = sampling
        self.max_megapixels = max_megapixels
        self.epoch = 0
        self._share = (0, 1)

        if workers:
            self._pool = concurrent.futures.ThreadPoolExecutor(workers)
        self._ahead = {}
        self._bad = set()
        self._lock = threading.Lock()
        self._distinct_files = len(set(self.files))
        if sampling == "pixels":
            self._weights = weigh(self.files)

    def __len__(self):
        batches = len(self.files) * self.crops_per_photo / self.batch_size
        if self.shuffle:
            return max(1, math.floor(batches))
        return math.ceil(batches)

    def __getitem__(self, index):
        epoch, index = self.epoch, range(len(self))[index]
        in_memory = len(self._cache) + len(self._bad) == self._distinct_files
        # A thread's task costs more than copying from memory.
        if in_memory or not self.threads:
            return self._batch(epoch, index)
        ahead = self._ahead
        # Reading ahead is useless if batches are requested in another order.
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

        `SRGAN.fit` calls it as each epoch begins. Otherwise Keras increments
        it after each epoch, counting from 1.

        Args:
            epoch: Non-negative integer.
        """
        check_integer(0, epoch=epoch)
        self.epoch = epoch

    def on_epoch_end(self):
        self.epoch += 1

    def set_share(self, index: int, count: int, devices: int | None = None):
        """Chooses the part of each batch that is read and returned.

        `SRGAN.fit` calls it where several processes train together, so that
        each process reads its own photos and together they form the batches
        of a single process.

        Args:
            index: Integer. The part, from 0.
            count: Integer. The number of parts, which are of equal size.
            devices: Integer, a multiple of `count`. The number of devices
                that divide all parts of a batch. Defaults to `count`.

        Raises:
            ValueError: if a batch cannot be divided between this number of
                devices.
        """
        sizes = [len(self._positions(i, 0, 1)) for i in (0, len(self) - 1)]
        devices = devices or count
        if any(size % devices for size in sizes):
            raise ValueError(
                f"`batch_size` must be a multiple of {devices}, the number of "
                "devices that share each batch, and so must the size of the "
                f"last batch. Received: batch_size={self.batch_size}, "
                f"batches of {' to '.join(map(str, sizes))} photos"
            )
        self._share = (index, count)
        self._ahead = {}

    def split(
        self, held_out: int | float
    ) -> tuple["ImageFolder", "ImageFolder"]:
        """Holds out the last files, for validation or testing.

        Args:
            held_out: Number of files, as an integer; or their share, as a
                float between 0 and 1. The reference experiment tests on the
                last 5.

        Returns:
            Two `ImageFolder`s: the other files, with the settings of this
            one, and the files held out, unshuffled and cropped at the center.

        Raises:
            ValueError: if one of the parts would have no file.
        """
        count = held_out
        if isinstance(held_out, float) and 0 < held_out < 1:
            count = max(1, round(held_out * len(self.files)))
        if not is_integer(count, 1) or count >= len(self.files):
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
            "max_megapixels": self.max_megapixels,
        }
        train = ImageFolder(
            self.files[:-count],
            crop=self.crop,
            crops_per_photo=self.crops_per_photo,
            shuffle=self.shuffle,
            sampling=self.sampling,
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
        """Starts reading a batch, unless started; returns a future."""
        # A whole batch: a task costs more than reading a small photo.
        return self._ahead.get((epoch, index)) or self._pool.submit(
            self._batch, epoch, index
        )

    def _batch(self, epoch, index):
        order = self._order(epoch)
        # One generator per batch: making one takes as long as a small crop.
        places = self._random(epoch, index).random((self.batch_size, 2))
        first = index * self.batch_size
        return np.stack(
            [
                self._read(order, position, places[position - first])
                for position in self._positions(index, *self._share)
            ]
        )

    def _order(self, epoch):
        """Returns the number of the photo at each position of an epoch."""
        random = self._random(epoch)
        count = len(self.files) * self.crops_per_photo
        if self.sampling == "pixels":
            order = draw(self._weights, count, random)
        else:
            order = np.arange(count) // self.crops_per_photo
        if self.shuffle:
            random.shuffle(order)
        return order

    def _positions(self, index, share, count):
        """Returns the places in the epoch's order of a share of a batch."""
        first = index * self.batch_size
        last = min(
            first + self.batch_size, len(self.files) * self.crops_per_photo
        )
        size = (last - first) // count
        return range(first + share * size, first + (share + 1) * size)

    def _read(self, order, position, place):
        """Reads the crop at a position of the order of the epoch."""
        # Known bad files are skipped to save time. This must not change the
        # outcome, or it would depend on the reads of other threads.
        for slot in range(position, position + len(order)):
            file = self.files[order[slot % len(order)]]
            if file in self._bad:
                continue
            try:
                photo = self._load(file)
            except (OSError, ValueError) as error:
                if self.on_error == "raise":
                    raise
                self._skip(file, error)
            else:
                return self._cut(photo, place)
        raise ValueError(
            f"None of the {len(self.files)} photos can be used, from "
            f"{self.files[0]} to {self.files[-1]}: see the warnings"
        )

    def _load(self, file):
        photo = self._cache.get(file)
        if photo is not None:
            return photo
        photo = load_image(file)
        if self.max_megapixels:
            photo = shrink(photo, self.max_megapixels)
        if min(photo.shape[:2]) < self.crop_size:
            height, width, _ = photo.shape
            raise ValueError(
                f"The photo {file} is too small for `crop_size`="
                f"{self.crop_size}: {width} x {height} pixels"
            )
        self._cache.put(file, photo)
        return photo

    def _skip(self, file, error):
        with self._lock:
            if file in self._bad:
                return
            self._bad.add(file)
        warnings.warn(f"{error}. Skipped.", stacklevel=2)

    def _cut(self, photo, place):
        size = self.crop_size
        height, width, _ = photo.shape
        if self.crop == "random":
            top = int(place[0] * (height - size + 1))
            left = int(place[1] * (width - size + 1))
        else:
            top, left = (height - size) // 2, (width - size) // 2
        return photo[top : top + size, left : left + size]
