"""The test that an exported model carries: a photo and its expected result.

| | ONNX | LiteRT |
|---|---|---|
| place | metadata | ZIP archive at the end of the file |
| numbers | `scale`, `halo`, `tolerance`, text | the same, in `model.json` |
| pictures | `photo`, `result`, PNG in base64 | `photo.png`, `result.png` |
| SHA-256 of all bytes before | `sha256`, the last entry | `sha256` |
"""

import base64
import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

SELF_TESTED = {"onnx": ".onnx", "litert": ".tflite"}
# Side of the test photo, in pixels.
TEST_SIZE = 32
# In levels of 255. Runtimes differ by 1 in float32, where rounding decides.
TOLERANCE = 2
# Field 14 of an ONNX file holds one entry of the metadata.
ONNX_METADATA = 14
# Tag and length of the last entry, its key, and those of its value.
SHA256_ENTRY = b"\x72\x4a\x0a\x06sha256\x12\x40"
NUMBERS = ("scale", "halo", "tolerance")


class SelfTest(NamedTuple):
    """The expected result of an exported model.

    Attributes:
        photo: uint8 array `(32, 32, 3)`; smaller, if the model takes only
            smaller photos.
        result: uint8 array `(32 * scale, 32 * scale, 3)`, its enlargement.
        tolerance: Integer. How far a level may be from `result`.
        scale: Integer. Output pixels per input pixel, along a side.
        halo: Integer. Pixels of context that each side of a tile needs.
    """

    photo: np.ndarray
    result: np.ndarray
    tolerance: int
    scale: int
    halo: int


def make_test_photos(shape: tuple, photo: np.ndarray | None = None):
    """Returns the input of the test.

    Args:
        shape: `(batch, height, width, 3)` that the model takes, with `None`
            for any number. Photos of a fixed size are black beside the test
            photo, in their upper left corner.
        photo: The test photo. Defaults to one that is made here.

    Returns:
        uint8 array of that shape, with a batch of 1 unless it is fixed.
    """
    if photo is None:
        photo = _draw_photo()
    batch, height, width, _ = shape
    photo = photo[:height, :width]
    photos = np.zeros(
        (
            batch or 1,
            height or photo.shape[0],
            width or photo.shape[1],
            3,
        ),
        "uint8",
    )
    photos[:, : photo.shape[0], : photo.shape[1]] = photo
    return photos


def _draw_photo():
    """Returns a photo with gradients, edges and texture."""
    y, x = np.mgrid[:TEST_SIZE, :TEST_SIZE]
    photo = np.stack([8 * x, 8 * y, 4 * (x + y)], axis=-1)
    disk = (x - 12) ** 2 + (y - 14) ** 2 < 80
    photo[disk] = 255 - photo[disk]
    texture = np.random.RandomState(0).randint(-48, 49, photo.shape)
    photo[20:, 16:] += texture[20:, 16:]
    return photo.clip(0, 255).astype("uint8")


# === Writing ===


def attach_self_test(path: str | os.PathLike, test: SelfTest) -> None:
    """Adds a test to an exported model.

    Args:
        path: The file, which ends in `.onnx` or `.tflite`.
        test: A `SelfTest`.
    """
    path = Path(path)
    numbers = {name: getattr(test, name) for name in NUMBERS}
    pictures = {"photo": _to_png(test.photo), "result": _to_png(test.result)}
    content = path.read_bytes()
    if path.suffix == ".onnx":
        entries = {name: b"%d" % number for name, number in numbers.items()}
        for name, png in pictures.items():
            entries[name] = base64.b64encode(png)
        # A Protocol Buffers message may be continued by appending fields.
        for key, value in entries.items():
            entry = _field(1, key.encode()) + _field(2, value)
            content += _field(ONNX_METADATA, entry)
        digest = hashlib.sha256(content).hexdigest().encode()
        path.write_bytes(content + SHA256_ENTRY + digest)
        return
    numbers["sha256"] = hashlib.sha256(content).hexdigest()
    files = {f"{name}.png": png for name, png in pictures.items()}
    files["model.json"] = json.dumps(numbers).encode()
    # As LiteRT's own tools attach files.
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in files.items():
            # Without the time, so that equal models are equal files.
            archive.writestr(zipfile.ZipInfo(name), content)


def _field(number, content):
    """Returns a field of a Protocol Buffers message that holds bytes."""
    length, varint = len(content), b""
    while length > 127:
        varint += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + varint + bytes([length]) + content


def _to_png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()


# === Reading ===


def read_self_test(path: str | os.PathLike) -> SelfTest:
    """Reads the test of an exported model, and checks the file's checksum.

    Args:
        path: The file, which ends in `.onnx` or `.tflite`.

    Returns:
        A `SelfTest`.

    Raises:
        ValueError: if the file has another suffix or no test.
        OSError: if the file is missing, damaged or has been changed.
    """
    path = Path(path)
    if path.suffix not in SELF_TESTED.values():
        raise ValueError(
            "`path` must end in .onnx or .tflite: other exports carry no "
            f"test. Received: path={str(path)!r}"
        )
    content = path.read_bytes()
    read = _read_onnx if path.suffix == ".onnx" else _read_litert
    try:
        entries, digest, end = read(content)
        test = SelfTest(
            _from_png(entries["photo"]),
            _from_png(entries["result"]),
            *(int(entries[name]) for name in ("tolerance", "scale", "halo")),
        )
    # On damaged files, the readers raise arbitrary exceptions.
    except Exception as error:
        raise ValueError(
            f"{path} must be a file that `keras-srgan export` has written: it "
            f"carries no test ({error!r}). Received: path={str(path)!r}"
        ) from error
    received = hashlib.sha256(content[:end]).hexdigest()
    if received != digest:
        raise OSError(
            f"{path} is damaged, or was changed after its export: its SHA-256 "
            f"must be {digest}. Received: {received}"
        )
    return test


def _read_onnx(content):
    end = len(content) - len(SHA256_ENTRY) - 64
    if content[end : end + len(SHA256_ENTRY)] != SHA256_ENTRY:
        raise ValueError("no checksum at the end")
    entries = {}
    for number, field in _read_fields(content[:end]):
        if number == ONNX_METADATA:
            (_, key), (_, value) = _read_fields(field)
            entries[key.decode()] = value
    for name in "photo", "result":
        entries[name] = base64.b64decode(entries[name])
    return entries, content[-64:].decode(), end


def _read_litert(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = json.loads(archive.read("model.json"))
        for name in "photo", "result":
            entries[name] = archive.read(f"{name}.png")
        # Where the first entry of the archive begins.
        end = min(info.header_offset for info in archive.infolist())
    return entries, entries["sha256"], end


def _read_fields(message):
    """Yields the number and the content of each field that holds bytes."""
    position = 0

    def read_varint():
        nonlocal position
        value, shift = 0, 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                return value

    while position < len(message):
        tag = read_varint()
        if tag & 7 == 2:
            length = read_varint()
            yield tag >> 3, message[position : position + length]
            position += length
        elif tag & 7 == 0:
            read_varint()
        else:
            raise ValueError(f"field of unknown kind {tag & 7}")


def _from_png(png):
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        return np.asarray(image.convert("RGB"))
