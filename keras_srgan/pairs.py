import os
import pathlib
import re
from collections.abc import Sequence

import numpy as np

from keras_srgan.checks import check_integer
from keras_srgan.dataset import EpochDataset
from keras_srgan.photo import load_image
from keras_srgan.photo_files import find_photos

Files = Sequence[str | os.PathLike]


def match_pairs(
    lr: str | os.PathLike, hr: str | os.PathLike, scale: int = 4
) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Returns the LR and the HR files of two folders, matched by name.

    Two files match if their names in the folders are the same except for the
    suffix. They also match if the LR name additionally ends in `x4` (or `x`
    and another scale): `a/1.jpg` or `a/1x4.png` and `a/1.png`.

    Args:
        lr: Path of the folder with LR images.
        hr: Path of the folder with HR photos.
        scale: Integer. Defaults to `4`.

    Raises:
        ValueError: if a folder is missing, two files in a folder have the
            same name, or a file has no match.
    """
    ending = re.compile(rf"[_-]?x{scale}$", re.IGNORECASE)
    found = []
    for folder in (lr, hr):
        files = {}
        for file in find_photos(folder):
            name = file.relative_to(folder).with_suffix("").as_posix()
            name = ending.sub("", name) if folder is lr else name
            if name in files:
                raise ValueError(
                    f"Each photo must have its own name. Received: "
                    f"{files[name]} and {file}"
                )
            files[name] = file
        found.append(files)
    small, large = found
    for file, others in (
        *((file, large) for name, file in small.items() if name not in large),
        *((file, small) for name, file in large.items() if name not in small),
    ):
        folder = hr if others is large else lr
        raise ValueError(
            f"Each LR image must have an HR photo of the same name, and vice "
            f"versa. Received: {file}, without a match in {str(folder)!r}"
        )
    if not large:
        raise ValueError(
            f"`hr` must hold at least one photo. Received: hr={str(hr)!r}"
        )
    return [small[name] for name in large], list(large.values())


class PairFolder(EpochDataset):
    """Batches of crops of LR images and of the same places in HR photos.

    For photos whose LR images are not made by a known degradation. A batch
    only depends on the files, the arguments, the epoch and its index.

    Args:
        lr: List of the files of LR images.
        hr: List of the files of HR photos in the same order, each exactly
            `scale` times as large. See `match_pairs`.
        scale: Integer. Defaults to `4`.
        crop_size: Integer, a multiple of `scale`. Pixels per side of an HR
            crop. Defaults to `96`.
        batch_size: Integer. Crops per batch. Defaults to `16`.
        shuffle: Boolean. Whether each epoch has its own order, crops from
            random places, flips and turns; a last batch that is not full is
            dropped. Otherwise crops come from the center. Defaults to `True`.
        crops_per_photo: Integer. Crops of each photo per epoch. Defaults to
            `1`.
        seed: Integer. Defaults to `0`.
        cache_bytes: Integer. Decoded pairs are kept in memory up to this
            size. Defaults to `2**30`, 1 GiB.

    Returns (`dataset[index]`):
        Tuple of uint8 arrays, `(batch, crop_size / scale, crop_size / scale,
        3)` and `(batch, crop_size, crop_size, 3)`, RGB.

    Raises:
        ValueError: if an argument is wrong; when a pair is read, if its sizes
            do not match or it is smaller than the crop.
        OSError: if a file cannot be read.

    Example:

    ```python
    from keras_srgan import SRGAN
    from keras_srgan.pairs import PairFolder, match_pairs

    SRGAN().fit(PairFolder(*match_pairs("photos/lr", "photos/hr")))
    ```
    """

    def __init__(
        self,
        lr: Files,
        hr: Files,
        scale: int = 4,
        crop_size: int = 96,
        batch_size: int = 16,
        shuffle: bool = True,
        crops_per_photo: int = 1,
        seed: int = 0,
        cache_bytes: int = 2**30,
    ):
        super().__init__(workers=0)
        if not hr or len(lr) != len(hr):
            raise ValueError(
                "`lr` and `hr` must be as many files, at least one. "
                f"Received: {len(lr)} and {len(hr)} files"
            )
        check_integer(
            1,
            scale=scale,
            batch_size=batch_size,
            crops_per_photo=crops_per_photo,
        )
        check_integer(1, scale, crop_size=crop_size)
        self.files = [
            (pathlib.Path(small), pathlib.Path(large))
            for small, large in zip(lr, hr, strict=True)
        ]
        self.scale = scale
        self.crop_size = crop_size
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.crops_per_photo = crops_per_photo
        self.seed = seed
        self.epoch = 0
        self._share = (0, 1)
        self._cache = {}
        self._room = cache_bytes

    def __len__(self):
        crops = len(self.files) * self.crops_per_photo
        if self.shuffle:
            return max(1, crops // self.batch_size)
        return -(-crops // self.batch_size)

    def __getitem__(self, index):
        index = range(len(self))[index]
        order = np.arange(len(self.files) * self.crops_per_photo)
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        places = range(len(order))[index * self.batch_size :][: self.batch_size]
        part, count = self._share
        size = len(places) // count
        pairs = [
            self._crop(order[place] // self.crops_per_photo, place)
            for place in places[part * size : (part + 1) * size]
        ]
        lr, hr = zip(*pairs, strict=True)
        return np.stack(lr), np.stack(hr)

    def set_epoch(self, epoch):
        self.epoch = epoch

    def set_share(self, index, count, devices=None):
        devices = devices or count
        last = len(self.files) * self.crops_per_photo % self.batch_size
        if self.shuffle and len(self.files) >= self.batch_size:
            last = 0
        if self.batch_size % devices or last % devices:
            raise ValueError(
                f"`batch_size` must be a multiple of {devices}, the number of "
                "devices that share each batch, and so must the size of the "
                f"last batch. Received: batch_size={self.batch_size}"
            )
        self._share = (index, count)

    def _crop(self, number, place):
        lr, hr = self._load(number)
        size = self.crop_size // self.scale
        spare = np.subtract(lr.shape[:2], size)
        top, left = spare // 2
        symmetry = 0
        if self.shuffle:
            rng = np.random.default_rng([self.seed, self.epoch, place])
            top, left = rng.integers(spare + 1)
            symmetry = rng.integers(8)
        crops = (
            lr[top : top + size, left : left + size],
            hr[
                top * self.scale : (top + size) * self.scale,
                left * self.scale : (left + size) * self.scale,
            ],
        )
        turned = (np.rot90(crop, symmetry % 4) for crop in crops)
        return [crop[:, ::-1] if symmetry >= 4 else crop for crop in turned]

    def _load(self, number):
        if number in self._cache:
            return self._cache[number]
        files = self.files[number]
        lr, hr = map(load_image, files)
        size = tuple(self.scale * side for side in lr.shape[:2])
        if hr.shape[:2] != size or min(size) < self.crop_size:
            raise ValueError(
                f"{files[1]} must be {self.scale} times as large as "
                f"{files[0]}, and have sides of at least `crop_size`="
                f"{self.crop_size} pixels. Received: {hr.shape[1]}x"
                f"{hr.shape[0]} and {lr.shape[1]}x{lr.shape[0]} pixels"
            )
        if lr.nbytes + hr.nbytes <= self._room:
            self._room -= lr.nbytes + hr.nbytes
            self._cache[number] = lr, hr
        return lr, hr
