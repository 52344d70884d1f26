"""Make a folder of training photos of even size and sharpness.

    python recipes/photos.py PHOTOS MORE_PHOTOS --out training-photos

Cameras' photos of many megapixels are soft when seen pixel by pixel: those
above 4 megapixels are halved until they are below. What is large is then cut
into tiles, so that a photo of 4 megapixels counts more than one of 0.2. Five
photos from all over the folders come last, whole: they are for testing.
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
        # No more loss than the photo has already seen.
        photo.crop(box).save(out / f"{number:05d}-{file.stem}-{i:02d}.png")
        count += 1
print(f"{len(files)} photos became {count} in {out}")
