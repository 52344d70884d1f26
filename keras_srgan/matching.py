import os
import re
from collections.abc import Sequence

import keras

from keras_srgan.degradations import Degradation
from keras_srgan.photo import load_image
from keras_srgan.photo_files import find_photos

# The part of an HR photo's name that other images of the same subject do not
# share: img_001_SRF_4_HR.png, img_001_SRF_4_LR.png.
HR_SUFFIX = re.compile(r"([_-]SRF[_-]\d+)?([_-](HR|GT))?$", re.IGNORECASE)

Files = str | os.PathLike | Sequence[str | os.PathLike]


class MatchedPhotos:
    """HR photos, each with the other images of the same subject.

    Args:
        hr: Path of the folder of HR photos, or a list of files.
        lr: The same for LR images, or `None`.
        folders: Dict of title to the images of a system, as for `hr`.
        scale: Integer. The HR size divided by the LR size, per side.

    Attributes:
        names: List of strings, the names of the HR photos.
        hr: Dict of name to the file of the HR photo.

    Raises:
        ValueError: if an image is missing or ambiguous. The message names the
            HR photo.
    """

    def __init__(self, hr, lr, folders, scale):
        self.scale = scale
        self.degradation = Degradation(scale)
        self.hr = {}
        for file in find_photos(hr):
            name = HR_SUFFIX.sub("", file.stem)
            if name in self.hr:
                raise ValueError(
                    f"Two HR photos are named {name!r}: {self.hr[name]} and "
                    f"{file}. Received: hr={str(hr)!r}"
                )
            self.hr[name] = file
        self.names = list(self.hr)
        self.lr = None if lr is None else self._match("LR", lr)
        self.outputs = {
            title: self._match(title, folder)
            for title, folder in folders.items()
        }

    def load(self, name):
        """Returns the HR photo, its LR image, if any, and systems' images."""
        hr = load_image(self.hr[name])
        height, width = (side // self.scale for side in hr.shape[:2])
        hr = hr[: height * self.scale, : width * self.scale]
        if not hr.size:
            raise ValueError(
                f"The HR photo {self.hr[name]} is smaller than `scale`. "
                f"Received: scale={self.scale}"
            )
        lr = None
        if self.lr:
            lr = self._load(self.lr[name], name, (height, width))
        return (
            hr,
            lr,
            {
                title: self._load(files[name], name, hr.shape[:2])
                for title, files in self.outputs.items()
            },
        )

    def degrade(self, hr):
        """Returns the LR image that training would use."""
        lr = self.degradation(hr[None])
        return keras.ops.convert_to_numpy(lr)[0].astype("uint8")

    def _load(self, file, name, shape):
        image = load_image(file)
        if image.shape[:2] != shape:
            raise ValueError(
                f"The image {file} must be {shape[1]}x{shape[0]} pixels to fit "
                f"{self.hr[name]}, whose sides are cut to multiples of "
                f"`scale`={self.scale}. "
                f"Received: {image.shape[1]}x{image.shape[0]} pixels"
            )
        return image

    def _match(self, title, images):
        """Returns the file that belongs to each HR photo."""
        # Longest first: img_1_2_SR.png belongs to img_1_2, not to img_1.
        names = sorted(self.names, key=len, reverse=True)
        pattern = re.compile(
            rf"({'|'.join(map(re.escape, names))})(x\d|[^a-zA-Z0-9]|$)"
        )
        files = {name: [] for name in self.names}
        for file in find_photos(images):
            match = pattern.match(file.stem)
            if match:
                files[match[1]].append(file)
        for name, found in files.items():
            exact = [file for file in found if file.stem == name]
            if len(exact or found) != 1:
                raise ValueError(
                    f"There must be one {title} image of {self.hr[name]}. "
                    f"Received: {', '.join(map(str, found)) or 'none'} in "
                    f"{str(images)!r}"
                )
            files[name] = (exact or found)[0]
        return files
