import hashlib
import os
import pathlib
import threading
import warnings

import numpy as np

from keras_srgan.files import make_writable
from keras_srgan.files import replacing


class PhotoCache:
    """Caches decoded photos in memory, and on disk when memory is full.

    Args:
        max_bytes: Integer. Bytes of photos to keep in memory.
        directory: Path of a folder for the photos that do not fit, made if
            missing; or `None` for no other cache.
        variant: String. Distinguishes caches on disk whose photos were
            processed differently. Defaults to `""`.

    Example:

    ```python
    import pathlib
    from PIL import Image
    from keras_srgan.photo import load_image
    from keras_srgan.photo_cache import PhotoCache

    file = pathlib.Path("photo.png")
    Image.new("RGB", (64, 48)).save(file)
    cache = PhotoCache(2**30)
    cache.put(file, load_image(file))
    cache.get(file).shape  # (48, 64, 3)
    ```
    """

    def __init__(
        self,
        max_bytes: int,
        directory: str | os.PathLike | None = None,
        variant: str = "",
    ):
        if directory is not None:
            make_writable(cache_dir=directory)
        self.directory = directory
        self.variant = variant
        self._photos = {}
        self._room = max_bytes
        self._lock = threading.Lock()

    def __len__(self):
        """Returns the number of photos in memory."""
        return len(self._photos)

    def get(self, file: pathlib.Path) -> np.ndarray | None:
        """Returns a photo, or `None` if it is not in the cache."""
        photo = self._photos.get(file)
        if photo is None and self.directory:
            try:
                photo = np.load(self._path(file), mmap_mode="r")
            # A crash of the machine can leave files without their content.
            except (EOFError, OSError, ValueError):
                pass
        return photo

    def put(self, file: pathlib.Path, photo: np.ndarray) -> None:
        """Keeps a photo, if there is room."""
        with self._lock:
            if photo.nbytes <= self._room and file not in self._photos:
                self._room -= photo.nbytes
                self._photos[file] = photo
        if not self.directory or file in self._photos:
            return
        try:
            with replacing(self._path(file)) as partial:
                np.save(partial, photo)
        except OSError as error:
            # Training continues; the photo will be decoded again.
            self.directory = None
            warnings.warn(
                f"`cache_dir` is no longer used: {error}", stacklevel=2
            )

    def _path(self, file):
        """Returns the cache file for the current version of a photo."""
        status = os.stat(file)
        key = f"{file.resolve()} {status.st_size} {status.st_mtime_ns}"
        key += self.variant
        name = hashlib.sha256(os.fsencode(key)).hexdigest()[:32]
        return pathlib.Path(self.directory, f"{name}.npy")
