"""Make a folder of training photos of similar size and sharpness.

    python recipes/photos.py PHOTOS MORE_PHOTOS --out training-photos

Camera photos of many megapixels lack detail at the pixel level, so photos of
more than 4 megapixels are downscaled by 2 until they are smaller. Large photos
are then cut into tiles, so that a photo of 4 megapixels has more weight than
one of 0.2. Five photos, spread over the folders, are not cut and come last:
they are for testing.
"""

import argparse
import pathlib

from PIL import Image
from rich.progress import track

from keras_srgan.photo import load_image
from keras_srgan.photo_files import find_photos

MAX_PIXELS = 4e6
TILE = 512

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("folders", nargs="+", metavar="PHOTOS")
parser.add_argument("--out", required=True, metavar="DIR")
settings = parser.parse_args()
out = pathlib.Path(settings.out)
out.mkdir(parents=True, exist_ok=True)

files = [file for folder in settings.folders for file in find_photos(folder)]
testing = files[:: -(-len(files) // 5)]
files = [file for file in files if file not in testing] + testing
count = 0
for number, file in enumerate(track(files, "Cutting")):
    photo = Image.fromarray(load_image(file))
    while photo.width * photo.height > MAX_PIXELS:
        photo = photo.reduce(2)
    across = down = 1
    if file not in testing:
        across = max(1, round(photo.width / TILE))
        down = max(1, round(photo.height / TILE))
    for i in range(across * down):
        y, x = divmod(i, across)
        box = (
            x * photo.width // across,
            y * photo.height // down,
            (x + 1) * photo.width // across,
            (y + 1) * photo.height // down,
        )
        # PNG avoids further loss.
        photo.crop(box).save(out / f"{number:05d}-{file.stem}-{i:02d}.png")
        count += 1
print(f"{len(files)} photos became {count} in {out}")
