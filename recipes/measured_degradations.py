"""Check the analysis of photos on known degradations.

    python recipes/measured_degradations.py PHOTOS

Downscales up to 200 photos of a folder by 2 with bicubic interpolation,
degrades each in one of six ways with SciPy, NumPy and Pillow, and prints how
accurately `PhotoDegradation.from_photos` measures the degradations. Needs
SciPy.
"""

import argparse
import pathlib
import tempfile

import numpy as np
from PIL import Image
from scipy import ndimage

from keras_srgan.degradations import PhotoReport
from keras_srgan.photo_files import find_photos

# Ranges of blur (pixels), noise (levels) and JPEG quality.
KINDS = {
    "clean": {},
    "blur": {"blur": (0.7, 2.5)},
    "noise": {"noise": (4, 15)},
    "JPEG": {"quality": (30, 95)},
    "noise, JPEG": {"noise": (4, 15), "quality": (75, 95)},
    "blur, noise, JPEG": {
        "blur": (0.7, 2.5),
        "noise": (4, 15),
        "quality": (75, 95),
    },
}


def degrade(file, kind, rng, path):
    """Writes a degraded photo; returns its path and the known amounts."""
    amounts = {key: rng.uniform(*bounds) for key, bounds in kind.items()}
    photo = Image.open(file).convert("RGB")
    size = photo.width // 2, photo.height // 2
    levels = np.asarray(photo.resize(size, Image.Resampling.BICUBIC), "float64")
    if "blur" in amounts:
        sigma = amounts["blur"]
        levels = ndimage.gaussian_filter(levels, (sigma, sigma, 0))
    if "noise" in amounts:
        levels = levels + rng.normal(0, amounts["noise"], levels.shape)
    photo = Image.fromarray(np.clip(np.round(levels), 0, 255).astype("uint8"))
    if "quality" in amounts:
        amounts["quality"] = round(amounts["quality"])
        path = path.with_suffix(".jpg")
        photo.save(path, quality=amounts["quality"])
    else:
        path = path.with_suffix(".png")
        photo.save(path)
    return path, amounts


def summarize(name, done):
    """Prints how accurately one property was measured."""
    known = [amount for amount, _ in done if amount is not None]
    if not known:
        found = [value for _, value in done if value is not None]
        if found:
            shares = np.percentile(found, (10, 50, 90))
            print(f"  {name}: none; found", *(f"{v:.2f}" for v in shares))
        return
    errors = np.array([v / a - 1 for a, v in done if v is not None])
    print(
        f"  {name}: {np.mean(np.abs(errors) <= 0.2):.0%} of {len(errors)} "
        f"within 20 %, median error {np.median(errors):+.0%}, "
        f"{len(done) - len(errors)} not measured"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", metavar="PHOTOS")
    parser.add_argument("--count", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    settings = parser.parse_args()
    rng = np.random.default_rng(settings.seed)
    files = find_photos(settings.photos)
    files = [files[i] for i in rng.permutation(len(files))[: settings.count]]
    for number, (title, kind) in enumerate(KINDS.items()):
        with tempfile.TemporaryDirectory() as folder:
            amounts = dict(
                degrade(file, kind, rng, pathlib.Path(folder, str(i)))
                for i, file in enumerate(files[number :: len(KINDS)])
            )
            report = PhotoReport.of_folder(folder)
        print(f"{title}, {len(amounts)} photos")
        exact = [
            m.quality == amounts[m.path].get("quality")
            for m in report.measurements
        ]
        print(f"  quality: {np.mean(exact):.0%} exact")
        for name in ("noise", "blur"):
            summarize(
                name,
                [
                    (amounts[m.path].get(name), getattr(m, name))
                    for m in report.measurements
                ],
            )
        print("  " + str(report).replace("\n", "\n  "))


if __name__ == "__main__":
    main()
