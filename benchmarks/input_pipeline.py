"""Compare reading photos with an equivalent PyTorch `DataLoader`.

    python benchmarks/input_pipeline.py
    python benchmarks/input_pipeline.py --data PHOTOS --crop random

A turn is an epoch: each photo is decoded, cropped and stacked into a uint8
batch. Without --data, it reads small JPEGs made from photos of scikit-image.
"""

import argparse
import pathlib
import tempfile

from contest import Contender
from contest import make_parser
from contest import pass_on
from contest import run
from contest import serve
from contest import show

parser = make_parser(
    __doc__, default=3, help="epochs per contender (default: 3)"
)
add = parser.add_argument
add("--data", metavar="DIR", help="folder of photos")
add(
    "--limit",
    type=int,
    default=1200,
    help="maximum number of photos (default: 1200)",
)
add("--crop", default="center", choices=["center", "random"])
add("--crop-size", type=int, default=128, help="default: 128")
add("--batch-size", type=int, default=30, help="default: 30")
add("--workers", type=int, default=0, help=argparse.SUPPRESS)

CONTENDERS = {
    "ImageFolder": ("cached", 2),
    "ImageFolder, no workers": ("cached", 0),
    "ImageFolder, no cache": ("uncached", 2),
    "ImageFolder, no cache, no workers": ("uncached", 0),
    "DataLoader, no workers": ("peer", 0),
    "DataLoader, 2 workers": ("peer", 2),
}


def serve_ours(settings):
    from keras_srgan import ImageFolder

    dataset = ImageFolder(
        files(settings),
        crop_size=settings.crop_size,
        crop=settings.crop,
        batch_size=settings.batch_size,
        shuffle=False,
        workers=settings.workers,
        cache_bytes=2**32 if settings.turns_of == "cached" else 0,
    )

    def turn():
        for index in range(len(dataset)):
            dataset[index]
        dataset.on_epoch_end()

    serve(turn)


def serve_peer(settings):
    import numpy as np
    import torch
    from PIL import Image

    class Photos(torch.utils.data.Dataset):
        def __init__(self):
            self.files = files(settings)

        def __len__(self):
            return len(self.files)

        def __getitem__(self, index):
            with Image.open(self.files[index]) as image:
                photo = np.array(image.convert("RGB"))
            size = settings.crop_size
            spare = [side - size for side in photo.shape[:2]]
            if settings.crop == "random":
                top, left = [int(torch.randint(s + 1, ())) for s in spare]
            else:
                top, left = [s // 2 for s in spare]
            return torch.from_numpy(
                photo[top : top + size, left : left + size].copy()
            )

    loader = torch.utils.data.DataLoader(
        Photos(),
        batch_size=settings.batch_size,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
    )

    def turn():
        for _ in loader:
            pass

    serve(turn)


def files(settings):
    from keras_srgan.photo_files import find_photos

    return find_photos(settings.data)[: settings.limit]


def make_photos(directory, count):
    """Writes small JPEGs, like a folder of faces."""
    import numpy as np
    from PIL import Image
    from skimage import data

    random = np.random.default_rng(0)
    photos = [data.astronaut(), data.chelsea(), data.coffee()]
    for number in range(count):
        photo = photos[number % len(photos)]
        top, left = [random.integers(side - 160) for side in photo.shape[:2]]
        crop = photo[top : top + 160, left : left + 160]
        Image.fromarray(crop).save(directory / f"{number:05d}.jpg")


def compare(settings):
    arguments = pass_on(
        settings, "data", "limit", "crop", "crop_size", "batch_size"
    )
    contenders = [
        Contender(
            name,
            [*arguments, f"--turns-of={kind}", f"--workers={workers}"],
            {"KERAS_BACKEND": "torch"},
        )
        for name, (kind, workers) in CONTENDERS.items()
    ]
    count = len(files(settings))
    show(
        f"{count} crops of {settings.crop_size} per epoch, {settings.crop}",
        [
            "",
            "images/s, first epoch",
            "later",
            "spread",
            "time over the last row",
        ],
        [
            [
                result["name"],
                f"{count / result['first']:.0f}",
                f"{count / result['median']:.0f}",
                f"{count / max(result['seconds']):.0f}-"
                f"{count / min(result['seconds']):.0f}",
                f"{result['ratio']:.2f}",
            ]
            for result in run(contenders, settings.rounds)
        ],
    )


if __name__ == "__main__":
    settings = parser.parse_args()
    if settings.turns_of == "peer":
        serve_peer(settings)
    elif settings.turns_of:
        serve_ours(settings)
    elif settings.data:
        compare(settings)
    else:
        with tempfile.TemporaryDirectory() as folder:
            make_photos(pathlib.Path(folder), settings.limit)
            settings.data = folder
            compare(settings)
