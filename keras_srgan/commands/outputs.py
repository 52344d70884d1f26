import collections
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from keras_srgan.commands.common import CommandError
from keras_srgan.formats import FORMATS
from keras_srgan.formats import LOSSLESS
from keras_srgan.photo_files import count_suffixes
from keras_srgan.photo_files import search_folder

NAME_MAX = 255


class Plan(NamedTuple):
    """The photos to upscale and their outputs.

    Attributes:
        photos: Dict of output path to photo, in the order of work.
        finished: List of outputs that exist already.
        refused: Dict of error message to the photos that it is about.
        results: List of given photos that are results of other given photos.
        left_out: List of files in folders that are not photos.
    """

    photos: dict[Path, Path]
    finished: list[Path]
    refused: dict[str, list[Path]]
    results: list[Path]
    left_out: list[Path]


def plan(
    photos: Sequence[Path],
    output: Path | None = None,
    label: str = "-x4",
    format: str | None = None,
    overwrite: bool = False,
    lossless: bool = False,
) -> Plan:
    """Names the output of each photo, and checks that it can be written.

    Args:
        photos: Paths of photos and folders.
        output: Folder for the results, which keep their names; or, for one
            photo, a file. Defaults to `None`: results are written beside the
            photos or their folder, and `label` is appended to the name.
        label: String. Defaults to `"-x4"`.
        format: String, a suffix without dot. Defaults to that of each photo,
            or png.
        overwrite: Boolean. Whether to make finished photos again.
        lossless: Boolean. Whether lossy formats are not allowed.

    Raises:
        CommandError: if the command as a whole is invalid.
    """
    left_out = []
    suffixes = LOSSLESS if lossless else tuple(FORMATS)
    if format and f".{format}" not in suffixes:
        raise CommandError(
            f"--format must be lossless, such as {suffixes[0][1:]}; not "
            f"{format}."
        )
    if output and _is_file_name(output):
        photo = _get_single_photo(photos, output, format, suffixes)
        pairs = [(photo, output)]
    else:
        pairs = [
            pair
            for path in photos
            for pair in _get_pairs(
                path, output, label, format, suffixes, left_out
            )
        ]
    pairs, results = _leave_out_results(pairs, output)
    refused = collections.defaultdict(list)
    made, finished = {}, []
    for photo, path in _resolve_collisions(pairs, refused):
        reason, exists = _check(path)
        if reason:
            refused[reason].append(photo)
        elif exists and not overwrite:
            finished.append(path)
        else:
            made[path] = photo
    folders = {path.parent for path in made}
    reasons = {folder: _try_to_write(folder) for folder in folders}
    for path, photo in list(made.items()):
        if reasons[path.parent]:
            refused[reasons[path.parent]].append(photo)
            del made[path]
    return Plan(made, finished, dict(refused), results, left_out)


# === Names ===


def _is_file_name(path):
    return os.path.isfile(path) or (
        not os.path.isdir(path)
        and path.suffix.lower() in Image.registered_extensions()
    )


def _get_single_photo(photos, output, format, suffixes):
    if len(photos) > 1 or os.path.isdir(photos[0]):
        raise CommandError(
            f"-o must be a folder, except for a single photo; {output} is the "
            "name of a file."
        )
    if output.suffix.lower() not in suffixes:
        lossless = ", which is lossless" * (suffixes == LOSSLESS)
        raise CommandError(
            f"-o must end in one of {', '.join(suffixes)}{lossless}, or be a "
            f"folder; not {output}."
        )
    if format:
        raise CommandError(
            f"--format cannot be combined with -o {output}, a file."
        )
    return photos[0]


def _get_pairs(path, output, label, format, suffixes, left_out):
    """Returns pairs of a photo and its output, for one argument."""

    def get_name(photo, label):
        suffix = f".{format}" if format else photo.suffix
        if suffix.lower() not in suffixes:
            suffix = ".png"
        return f"{photo.stem}{label}{suffix}"

    if not os.path.isdir(path):
        if output:
            return [(path, output / get_name(path, ""))]
        return [(path, path.with_name(get_name(path, label)))]
    try:
        photos, others = search_folder(path)
    except ValueError as error:
        raise CommandError(str(error)) from error
    left_out += others
    if output is None:
        folder = path.resolve() if path.name in ("", "..") else path
        output = folder.with_name(folder.name + label)
    elif not _is_same(output, path):
        # Results of an earlier run in a subfolder are not inputs.
        inside = Path(os.path.realpath(output))
        photos = [
            photo
            for photo in photos
            if inside not in Path(os.path.realpath(photo)).parents
        ]
    if not photos:
        only = f", only {count_suffixes(others)}" if others else ""
        raise CommandError(f"There are no photos in {path}{only}.")
    return [
        (
            photo,
            output / photo.relative_to(path).with_name(get_name(photo, "")),
        )
        for photo in photos
    ]


def _is_same(path, other):
    return os.path.realpath(path) == os.path.realpath(other)


def _leave_out_results(pairs, output):
    """Leaves out photos that are outputs of others, from an earlier run."""
    outputs = {os.path.realpath(path) for _, path in pairs}
    kept, results = [], []
    for photo, path in pairs:
        if os.path.realpath(photo) not in outputs:
            kept.append((photo, path))
        elif output:
            raise CommandError(
                f"{photo} would be overwritten, but is one of the photos; "
                "choose another -o."
            )
        else:
            results.append(photo)
    return kept, results


def _resolve_collisions(pairs, refused):
    """Returns pairs of a photo and its output, which no other has."""
    renamed = []
    for group in _group(pairs):
        for photo, path in group:
            # Of p.png and p.bmp, the latter becomes p.bmp.png.
            if len(group) > 1 and photo.suffix != path.suffix:
                end = path.name.removeprefix(photo.stem)
                path = path.with_name(photo.name + end)
            renamed.append((photo, path))
    kept = []
    for group in _group(renamed):
        if len(group) == 1:
            kept += group
            continue
        photos = [photo for photo, _ in group]
        reason = (
            f"{' and '.join(map(str, photos))} would both become "
            f"{group[0][1]}; enlarge them one after the other, with another -o"
        )
        refused[reason] += photos
    return kept


def _group(pairs):
    """Returns lists of the pairs, without repetitions, that share an output."""
    groups, seen = {}, set()
    for photo, path in pairs:
        key = os.path.realpath(photo), path
        if key not in seen:
            seen.add(key)
            groups.setdefault(path, []).append((photo, path))
    return list(groups.values())


# === Checks ===


def _check(path):
    """Returns why a file cannot be written, if known, and if it exists."""
    ancestor = _get_existing(path)
    try:
        limit = os.pathconf(ancestor, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        limit = NAME_MAX
    longest = max(len(os.fsencode(part)) for part in path.parts)
    if longest > limit:
        return (
            f"the name of its result would have {longest} bytes, more than "
            f"the {limit} allowed; choose a shorter one with -o",
            False,
        )
    if os.path.isdir(path):
        return f"{path}: it is a folder", False
    return "", os.path.isfile(path)


def _get_existing(path):
    """Returns the nearest folder above a path that exists."""
    return next(
        (parent for parent in path.parents if os.path.lexists(parent)),
        Path("."),
    )


def _try_to_write(folder):
    """Returns why files cannot be made in a folder, or an empty string."""
    existing = folder if os.path.lexists(folder) else _get_existing(folder)
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        return f"Cannot write to {existing}: {error.strerror}"
    return ""
