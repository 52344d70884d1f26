import collections
import functools
import os
import pathlib
import re
import warnings
from collections.abc import Sequence

from PIL import Image

# Formats of photos that Pillow decodes by itself. Vector graphics, icons and
# stubs for scientific data are not among them: EPS alone would start another
# program.
PHOTO_FORMATS = (
    "JPEG",
    "MPO",
    "PNG",
    "WEBP",
    "TIFF",
    "AVIF",
    "HEIF",
    "JPEG2000",
    "GIF",
    "BMP",
    "DIB",
    "PPM",
    "QOI",
    "PSD",
    "PCX",
    "SGI",
    "SUN",
    "PCD",
)
# These files have no signature, so only the suffix identifies them.
FORMATS_BY_SUFFIX = ("TGA",)
HEIC_SUFFIXES = {".heic", ".heif", ".heics", ".heifs", ".hif"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"}
HEIC_HINT = "to read HEIC files: pip install pillow-heif"


def find_photos(
    directory: str | os.PathLike | Sequence[str | os.PathLike],
) -> list[pathlib.Path]:
    """Returns the photos in a folder and all its subfolders.

    Hidden files and folders are skipped. Every other file whose suffix is not
    that of a photo is counted in one warning.

    Args:
        directory: Path of a folder; or a list of files, which is returned as
            it is.

    Returns:
        List of `pathlib.Path`, sorted by name, with numbers in names compared
        by value (`2.jpg` before `10.jpg`).

    Raises:
        ValueError: if the folder or a subfolder is missing or cannot be read,
            or there is no photo.

    Example:

    ```python
    from PIL import Image
    from keras_srgan.photo_files import find_photos

    Image.new("RGB", (64, 48)).save("photo.jpg")
    find_photos(".")  # [PosixPath('photo.jpg')]
    ```
    """
    left_out = []
    if isinstance(directory, str | os.PathLike):
        photos, left_out = search_folder(directory)
    else:
        photos = [pathlib.Path(file) for file in directory]
    if not photos:
        found = (
            f"; it holds only {count_suffixes(left_out)}" if left_out else ""
        )
        raise ValueError(
            "`directory` must hold at least one photo "
            f"({', '.join(sorted(photo_suffixes()))}){found}. "
            f"Received: directory={str(directory)!r}"
        )
    if left_out:
        warnings.warn(
            f"Left out of {directory}, as their suffixes are not those of "
            f"photos: {count_suffixes(left_out)}.",
            stacklevel=2,
        )
    return photos


def photo_suffixes() -> set[str]:
    """Returns the suffixes of photos, in lower case: `".jpg"`, ...

    They depend on the version of Pillow. HEIC suffixes are among them where
    pillow-heif is installed.
    """
    _register()
    return {
        suffix
        for suffix, format in Image.registered_extensions().items()
        if format in PHOTO_FORMATS + FORMATS_BY_SUFFIX
    }


def photo_formats(path: pathlib.Path) -> list[str]:
    """Returns the formats that a file may be decoded as.

    The content decides between them, so a PNG file named `photo.jpg` is read.

    Args:
        path: The file.
    """
    _register()
    by_suffix = Image.registered_extensions().get(path.suffix.lower())
    return [
        format
        for format in (*PHOTO_FORMATS, *FORMATS_BY_SUFFIX)
        if format in Image.OPEN
        and (format in PHOTO_FORMATS or format == by_suffix)
    ]


def is_heic(head: bytes) -> bool:
    """Returns whether a file is a HEIC photo.

    Args:
        head: The first 12 bytes of the file.
    """
    return head[4:8] == b"ftyp" and head[8:] in HEIC_BRANDS


@functools.cache
def _register():
    Image.init()
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.register_heif_opener()


def search_folder(
    directory: str | os.PathLike,
) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Returns the photos in a folder, as `find_photos`, and the other files.

    Args:
        directory: Path of a folder. It may hold no photo.

    Raises:
        ValueError: if the folder or a subfolder is missing or cannot be read.
    """

    def fail(error):
        raise ValueError(
            "`directory` must be a folder whose subfolders can all be read "
            f"({error}). Received: directory={str(directory)!r}"
        ) from error

    suffixes = photo_suffixes()
    photos, left_out = [], []
    for folder, subfolders, names in os.walk(directory, onerror=fail):
        subfolders[:] = [name for name in subfolders if name[0] != "."]
        for name in names:
            if name[0] != ".":
                file = pathlib.Path(folder, name)
                known = file.suffix.lower() in suffixes
                (photos if known else left_out).append(file)

    def by_number(file):
        path = file.relative_to(directory)
        names = [re.split(r"([0-9]+)", name) for name in path.parts]
        for name in names:
            # Digits are at the odd indices.
            name[1::2] = map(int, name[1::2])
        # The path itself decides between 1 and 01.
        return names, path.as_posix()

    return sorted(photos, key=by_number), left_out


def count_suffixes(files: Sequence[pathlib.Path]) -> str:
    """Returns a text such as `"2 .heic, 1 .txt"`."""
    counts = collections.Counter(
        file.suffix.lower() or "without suffix" for file in files
    )
    text = ", ".join(f"{n} {suffix}" for suffix, n in counts.most_common())
    return f"{text} ({HEIC_HINT})" if HEIC_SUFFIXES & set(counts) else text
