import os
import pathlib
import queue
import threading
import warnings

import keras
import numpy as np
import pytest
from PIL import Image

from keras_srgan import data
from keras_srgan.data import ImageFolder
from keras_srgan.photo import load_image


def save_map(path, number=0, size=(40, 32)):
    """Saves a photo whose pixels are (column, row, number of the photo)."""
    width, height = size
    pixels = np.empty((height, width, 3), "uint8")
    pixels[..., 0] = np.arange(width)
    pixels[..., 1] = np.arange(height)[:, None]
    pixels[..., 2] = number
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def save_maps(folder, count):
    return [save_map(folder / f"{i}.png", i) for i in range(count)]


def corners(batch):
    """Returns (left, top, number) of each crop of `save_map` photos."""
    return [tuple(int(value) for value in crop[0, 0]) for crop in batch]


def numbers(batches):
    return [number for batch in batches for *_, number in corners(batch)]


# === load_image ===


def gray_ramp():
    return np.tile(np.arange(0, 240, 10, "uint8"), (16, 1))


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp"])
def test_lossless_rgb_comes_out_as_it_is(tmp_path, suffix):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), "uint8")
    path = tmp_path / f"photo.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(pixels).save(path, **options)
    photo = load_image(path)
    assert photo.dtype == "uint8"
    assert photo.flags.writeable
    np.testing.assert_array_equal(photo, pixels)


def test_gray_and_bilevel(tmp_path):
    Image.fromarray(gray_ramp()).save(tmp_path / "gray.png")
    photo = load_image(tmp_path / "gray.png")
    np.testing.assert_array_equal(photo, np.stack([gray_ramp()] * 3, -1))

    Image.fromarray(gray_ramp() > 100).save(tmp_path / "bilevel.png")
    photo = load_image(str(tmp_path / "bilevel.png"))
    np.testing.assert_array_equal(photo[..., 1], 255 * (gray_ramp() > 100))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_gray_is_scaled_not_clipped(tmp_path, suffix):
    values = np.array([[0, 128, 129, 257, 32896, 65407, 65535]], "uint16")
    Image.fromarray(values).save(tmp_path / f"deep.{suffix}")
    photo = load_image(tmp_path / f"deep.{suffix}")
    assert photo.shape == (1, 7, 3)
    assert photo[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255, 255]


def test_32_bit_integer_gray_is_taken_for_16_bits(tmp_path):
    values = np.array([[0, 257, 65535]], "int32")
    Image.fromarray(values).save(tmp_path / "deep.tif")
    photo = load_image(tmp_path / "deep.tif")
    assert photo[0, :, 2].tolist() == [0, 1, 255]


def test_palette(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "palette.png")
    photo = load_image(tmp_path / "palette.png")
    assert photo.tolist() == [[[10, 20, 30], [200, 100, 50]]]


def test_cmyk_jpeg(tmp_path):
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    image.save(tmp_path / "ink.jpg", quality=95)
    photo = load_image(tmp_path / "ink.jpg")
    assert photo.shape == (16, 16, 3)
    np.testing.assert_allclose(photo, np.full_like(photo, (255, 0, 0)), atol=3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_photos_lie_on_white(tmp_path, mode):
    path = tmp_path / "cutout.png"
    if mode == "P":
        image = Image.new("P", (3, 1))
        image.putpalette([90, 90, 90, 91, 91, 91, 92, 92, 92])
        image.putdata([0, 1, 2])
        image.save(path, transparency=bytes([255, 0, 51]))
    else:
        image = Image.new("RGBA", (3, 1))
        image.putdata([(90,) * 3 + (255,), (91,) * 3 + (0,), (92,) * 3 + (51,)])
        image.convert(mode).save(path)
    photo = load_image(path)
    # 51 is a fifth: 92 / 5 + 255 * 4 / 5.
    np.testing.assert_allclose(photo[0, :, 0], [90, 255, 222.4], atol=1)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_carried_out(tmp_path, suffix, orientation):
    upright = np.zeros((16, 32, 3), "uint8")
    upright[:8, :16, 0] = 255
    upright[8:, :16, 1] = 255
    stored = [
        upright,
        upright[:, ::-1],
        upright[::-1, ::-1],
        upright[::-1],
        upright.transpose(1, 0, 2),
        upright.transpose(1, 0, 2)[::-1],
        upright.transpose(1, 0, 2)[::-1, ::-1],
        upright.transpose(1, 0, 2)[:, ::-1],
    ][orientation - 1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{suffix}"
    options = {
        "jpg": {"quality": 95, "subsampling": 0},
        "webp": {"lossless": True},
    }.get(suffix, {})
    Image.fromarray(np.ascontiguousarray(stored)).save(
        path, exif=exif, **options
    )
    photo = load_image(path)
    assert photo.shape == upright.shape
    assert np.abs(photo.astype(int) - upright).mean() < 4


def break_files(folder):
    photo = Image.effect_noise((64, 64), 60).convert("RGB")
    for suffix in ("jpg", "png", "webp", "tif", "bmp"):
        whole = folder / f"whole.{suffix}"
        photo.save(whole)
        half = folder / f"half.{suffix}"
        half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        yield half
    for name, content in [
        ("empty.jpg", b""),
        ("text.png", b"not a photo"),
        ("magic.jpg", b"\xff\xd8\xff"),
    ]:
        (folder / name).write_bytes(content)
        yield folder / name
    Image.fromarray(np.ones((4, 4), "float32")).save(folder / "float.tif")
    yield folder / "float.tif"
    (folder / "folder.jpg").mkdir()
    yield folder / "folder.jpg"
    yield folder / "missing.jpg"


@pytest.mark.filterwarnings("ignore:Truncated File Read")
def test_a_bad_file_is_named(tmp_path):
    for path in break_files(tmp_path):
        with pytest.raises(OSError, match=str(path)):
            load_image(path)


# === Listing ===


def test_the_tree_is_searched_and_sorted_by_numbers(tmp_path):
    found = [
        "2.JPG",
        "10.jpeg",
        "a/b/9.WebP",
        "a/b/010.tif",
        "a/b/10.tif",
        "a/b/11.TIFF",
        "a10/1.bmp",
        "b.png",
    ]
    skipped = [".hidden.png", ".thumbnails/1.png", "notes.txt", "._1.jpg"]
    for name in found + skipped:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.warns(UserWarning, match="Left out of .*: 1 .txt"):
        files = ImageFolder(tmp_path).files
    assert [str(file.relative_to(tmp_path)) for file in files] == found
    (tmp_path / "notes.txt").unlink()
    assert ImageFolder(str(tmp_path)).files == files
    # A hidden folder is skipped inside the tree, not as its root.
    assert len(ImageFolder(tmp_path / ".thumbnails").files) == 1


def test_a_list_of_files_keeps_its_order(tmp_path):
    files = save_maps(tmp_path, 4)[::-1]
    photos = ImageFolder(
        [str(file) for file in files],
        crop_size=32,
        batch_size=4,
        shuffle=False,
    )
    assert photos.files == files
    assert numbers(photos) == [3, 2, 1, 0]


def test_folders_without_photos(tmp_path):
    (tmp_path / "notes.txt").write_text("no photo")
    with pytest.raises(ValueError, match="at least one photo") as error:
        ImageFolder(tmp_path)
    assert str(tmp_path) in str(error.value)
    with pytest.raises(ValueError, match="at least one photo"):
        ImageFolder([])
    with pytest.raises(ValueError, match="must be a folder.*missing"):
        ImageFolder(tmp_path / "missing")
    with pytest.raises(ValueError, match="must be a folder.*notes.txt"):
        ImageFolder(tmp_path / "notes.txt")


def test_an_unreadable_subfolder_is_an_error(tmp_path, monkeypatch):
    save_map(tmp_path / "1.png")
    (tmp_path / "secret").mkdir()
    # File permissions would not stop the superuser.
    scandir = os.scandir

    def guarded(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(ValueError, match="must be a folder.*secret"):
        ImageFolder(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        {"crop_size": 0},
        {"crop_size": 12.5},
        {"batch_size": 0},
        {"crops_per_photo": 0, "crop": "random"},
        {"crops_per_photo": 2},
        {"crop": "corner"},
        {"seed": -1},
        {"workers": -1},
        {"on_error": "ignore"},
        {"sampling": "area"},
        {"max_megapixels": 0},
    ],
)
def test_wrong_arguments(tmp_path, arguments):
    save_map(tmp_path / "1.png")
    name, value = next(iter(arguments.items()))
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        ImageFolder(tmp_path, **arguments)


# === Batches ===


def test_center_crops(tmp_path):
    save_map(tmp_path / "1.png", 1, size=(40, 32))
    save_map(tmp_path / "2.png", 2, size=(17, 16))
    photos = ImageFolder(tmp_path, crop_size=16, batch_size=2, shuffle=False)
    assert len(photos) == 1
    assert photos[0].shape == (2, 16, 16, 3)
    assert photos[0].dtype == "uint8"
    assert corners(photos[0]) == [(12, 8, 1), (0, 0, 2)]
    np.testing.assert_array_equal(
        photos[0][0], load_image(tmp_path / "1.png")[8:24, 12:28]
    )


def test_random_crops_cover_the_photo_and_change_with_epoch(tmp_path):
    save_map(tmp_path / "1.png", size=(18, 17))
    photos = ImageFolder(
        tmp_path, 16, batch_size=60, crop="random", crops_per_photo=60
    )
    first = corners(photos[0])
    assert {crop[:2] for crop in first} == {
        (left, top) for left in range(3) for top in range(2)
    }
    photos.set_epoch(1)
    assert corners(photos[0]) != first


def test_an_epoch_crops_each_photo_equally_often(tmp_path):
    save_maps(tmp_path, 6)
    photos = ImageFolder(
        tmp_path, 16, batch_size=4, crop="random", crops_per_photo=2
    )
    assert len(photos) == 3
    first = numbers(photos)
    assert sorted(first) == sorted(2 * list(range(6)))
    assert first != sorted(first)
    photos.set_epoch(1)
    assert sorted(numbers(photos)) == sorted(first)
    assert numbers(photos) != first


def test_the_last_batch(tmp_path):
    save_maps(tmp_path, 7)

    def sizes(**arguments):
        photos = ImageFolder(tmp_path, 16, **arguments)
        assert len(photos) == len(list(photos))
        return [len(batch) for batch in photos]

    assert sizes(batch_size=3) == [3, 3]
    assert sizes(batch_size=3, shuffle=False) == [3, 3, 1]
    assert sizes(batch_size=8) == [7]
    assert sizes(batch_size=8, shuffle=False) == [7]


def test_batches_are_indexed_as_a_sequence_is(tmp_path):
    save_maps(tmp_path, 4)
    photos = ImageFolder(tmp_path, 16, batch_size=2)
    np.testing.assert_array_equal(photos[-1], photos[1])
    with pytest.raises(IndexError):
        photos[2]


def test_sampling_in_proportion_to_pixels(tmp_path):
    sizes = [(20, 20), (40, 20), (40, 40)]
    files = [
        save_map(tmp_path / f"{i}.png", i, size) for i, size in enumerate(sizes)
    ]
    photos = ImageFolder(
        files,
        16,
        batch_size=70,
        crop="random",
        crops_per_photo=70,
        sampling="pixels",
    )
    for epoch in 0, 1:
        photos.set_epoch(epoch)
        counts = np.bincount(numbers(photos))
        assert np.abs(counts - [30, 60, 120]).max() <= 1
    assert [corners(batch) for batch in photos.split(1)[0]] != []
    with pytest.raises(ValueError, match='needs `crop="random"`'):
        ImageFolder(files, 16, sampling="pixels")


def test_sampling_does_not_favor_very_large_photos(tmp_path):
    files = [
        save_map(tmp_path / "0.png", 0, (800, 500)),
        save_map(tmp_path / "1.png", 1, (1600, 500)),
    ]
    photos = ImageFolder(
        files, 16, 20, "random", crops_per_photo=10, sampling="pixels"
    )
    assert np.bincount(numbers(photos)).tolist() == [10, 10]


@pytest.mark.parametrize("workers", [0, 2])
def test_sampling_names_bad_files(tmp_path, workers):
    files = save_maps(tmp_path, 4)
    files[1].write_bytes(b"no photo")
    photos = ImageFolder(
        files, 16, 4, "random", 5, sampling="pixels", workers=workers
    )
    with pytest.warns(UserWarning, match="1.png.*Skipped"):
        assert 1 not in numbers(photos)


def test_large_photos_are_halved(tmp_path):
    large = save_map(tmp_path / "large.png", 1, (200, 100))
    small = save_map(tmp_path / "small.png", 2, (50, 100))
    photos = ImageFolder(
        [large, small],
        25,
        shuffle=False,
        max_megapixels=0.005,
        cache_dir=tmp_path / "cache",
        cache_bytes=0,
    )
    for _ in range(2):
        batch = photos[0]
        # Each pixel of the first is the mean of 2 x 2.
        columns = batch[0, 0, :, 0].astype(int)
        assert np.all(np.diff(columns) == 2)
        assert np.all(np.diff(batch[1, 0, :, 0].astype(int)) == 1)
    # The cache on disk is not that of whole photos.
    whole = ImageFolder(
        [large, small], 25, cache_dir=tmp_path / "cache", cache_bytes=0
    )
    assert np.all(np.diff(whole[0][..., 0].astype(int), axis=2) == 1)


# === Determinism ===


def test_batches_depend_on_seed_epoch_and_index_alone(tmp_path):
    save_maps(tmp_path, 8)

    def make(**arguments):
        return ImageFolder(
            tmp_path, 16, batch_size=2, crop="random", **arguments
        )

    expected = [corners(batch) for batch in make(workers=0)]
    for workers in (1, 2, 4):
        photos = make(workers=workers)
        for index in (0, 1, 3, 2, 0, 1, 2, 3, 3):
            assert corners(photos[index]) == expected[index]
        photos.set_epoch(5)
        assert corners(photos[1]) != expected[1]
        photos.set_epoch(0)
        assert corners(photos[1]) == expected[1]
        # Batch 1 of epoch 5 is being read when the epoch changes.
        photos.set_epoch(5)
        photos[0]
        photos.set_epoch(0)
        assert corners(photos[1]) == expected[1]
    assert [corners(batch) for batch in make(seed=1)] != expected


class Fingerprint(keras.metrics.Metric):
    """A number that identifies the crops of the last batch."""

    def __init__(self):
        super().__init__(name="fingerprint")
        self.value = self.add_variable((), "zeros")

    def update_state(self, batch):
        corner = keras.ops.cast(batch[:, 0, 0], "float32")
        crops = keras.ops.matmul(corner, [[1.0], [17.0], [331.0]])
        self.value.assign(crops[0, 0] + 2 * crops[1, 0])

    def result(self):
        return keras.ops.convert_to_tensor(self.value)


class Probe(keras.Model):
    """A model whose metric identifies the batches that `fit` passes."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.fingerprint = Fingerprint()

    def call(self, inputs):
        return self.dense(keras.ops.cast(inputs, "float32"))

    def compute_loss(self, x, y, y_pred, *args, **kwargs):
        self.fingerprint.update_state(x)
        return keras.ops.mean(keras.ops.square(y_pred))


def fingerprints(photos):
    return [
        float(np.array([1, 2]) @ batch[:, 0, 0] @ np.array([1, 17, 331]))
        for batch in photos
    ]


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_fit_sees_each_epoch_whole_and_set_epoch_wins(tmp_path, workers):
    # For an unbuilt model, Keras draws an extra batch before the first epoch,
    # which disturbs the queues of workers.
    save_maps(tmp_path, 8)
    photos = ImageFolder(
        tmp_path, 16, batch_size=2, crop="random", workers=workers
    )
    expected = []
    for epoch in range(4):
        photos.set_epoch(epoch)
        expected.append(fingerprints(photos))
    assert expected[2] != expected[3]

    def fit(epochs, set_epoch):
        seen = []
        model = Probe()
        model.compile("sgd")
        begin = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: (
                seen.append([]),
                set_epoch and photos.set_epoch(epoch),
            ),
            on_train_batch_end=lambda batch, logs: seen[-1].append(
                float(logs["fingerprint"])
            ),
        )
        model.fit(
            photos,
            epochs=epochs,
            initial_epoch=epochs - 2,
            shuffle=False,
            verbose=0,
            callbacks=[begin],
        )
        return seen

    assert fit(2, set_epoch=True) == expected[:2]
    assert fit(4, set_epoch=True) == expected[2:]
    photos.set_epoch(0)
    assert fit(2, set_epoch=False) == expected[1:3]


@pytest.fixture
def reads(monkeypatch):
    """A queue of the names of opened files."""
    opened = queue.Queue()

    def load_and_report(path):
        opened.put(path.name)
        return load_image(path)

    monkeypatch.setattr(data, "load_image", load_and_report)
    return opened


def test_workers_read_the_next_batch_ahead(tmp_path, reads):
    save_maps(tmp_path, 8)
    photos = ImageFolder(
        tmp_path, 16, batch_size=2, shuffle=False, cache_bytes=0, workers=1
    )

    def read(count):
        return [reads.get(timeout=10) for _ in range(count)]

    photos[0]
    assert read(4) == ["0.png", "1.png", "2.png", "3.png"]
    photos[1]
    assert read(2) == ["4.png", "5.png"]
    # Out of order, only the requested batch is read.
    photos[3]
    assert read(2) == ["6.png", "7.png"]
    photos[1]
    assert read(2) == ["2.png", "3.png"]
    photos[3]
    assert read(2) == ["6.png", "7.png"]
    assert reads.empty()


def test_wrong_epoch(tmp_path):
    save_map(tmp_path / "1.png")
    with pytest.raises(ValueError, match="Received: epoch=-1"):
        ImageFolder(tmp_path, 16).set_epoch(-1)


# === Bad files ===


@pytest.fixture
def spoiled(tmp_path):
    """A folder of eight photos, three of which cannot be used."""
    files = save_maps(tmp_path, 8)
    files[1].write_bytes(b"not a photo")
    files[4].write_bytes(files[4].read_bytes()[:60])
    save_map(files[6], 6, size=(40, 15))
    return tmp_path


def bad_names(caught):
    return sorted(
        name
        for warning in caught
        for name in ("1.png", "4.png", "6.png")
        if os.sep + name in str(warning.message)
    )


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_bad_files_are_named_once_and_replaced(spoiled, workers):
    photos = ImageFolder(
        spoiled, 16, batch_size=4, shuffle=False, workers=workers
    )
    with pytest.warns(UserWarning, match="Skipped") as caught:
        for _ in range(3):
            # The photo after a bad one takes its place.
            assert numbers(photos) == [0, 2, 2, 3, 5, 5, 7, 7]
    assert len(caught) == 3
    assert bad_names(caught) == ["1.png", "4.png", "6.png"]
    small = [str(w.message) for w in caught if "6.png" in str(w.message)]
    assert "`crop_size`=16: 40 x 15 pixels" in small[0]


def test_several_workers_warn_once_of_one_file(tmp_path, monkeypatch):
    save_map(tmp_path / "good.png")
    (tmp_path / "bad.png").touch()
    together = threading.Barrier(4, timeout=10)

    def load_together(path):
        if path.name == "bad.png":
            together.wait()
        return load_image(path)

    monkeypatch.setattr(data, "load_image", load_together)
    photos = ImageFolder(
        tmp_path, 16, 1, "random", crops_per_photo=4, shuffle=False, workers=4
    )
    with pytest.warns(UserWarning, match="bad.png.*Skipped") as caught:
        [photos[i] for i in range(4)]
    assert len(caught) == 1


def test_a_bad_file_is_opened_once(spoiled, reads):
    photos = ImageFolder(
        spoiled, 16, batch_size=8, shuffle=False, cache_bytes=0, workers=0
    )
    with pytest.warns(UserWarning, match="Skipped"):
        photos[0]
        photos[0]
    opened = [reads.get() for _ in range(reads.qsize())]
    assert [opened.count(f"{i}.png") for i in (0, 1, 4, 6)] == [2, 1, 1, 1]


def test_small_photos_do_not_stay_in_memory(spoiled, reads):
    photos = ImageFolder(spoiled, 16, batch_size=8, shuffle=False, workers=1)
    with pytest.warns(UserWarning, match="Skipped"):
        photos[0]
    assert len(photos._cache) == 5
    # With all good photos in memory, no other thread reads.
    photos._pool.shutdown()
    assert numbers([photos[0]]) == [0, 2, 2, 3, 5, 5, 7, 7]


@pytest.mark.filterwarnings("ignore:.*Skipped")
def test_replacements_of_bad_files_do_not_depend_on_earlier_reads(spoiled):
    def make(workers):
        return ImageFolder(
            spoiled, 16, batch_size=2, crop="random", workers=workers
        )

    expected = [corners(batch) for batch in make(0)]
    for workers in (0, 1, 4):
        photos = make(workers)
        backwards = [corners(photos[i]) for i in (3, 2, 1, 0)]
        assert backwards[::-1] == expected
        assert [corners(batch) for batch in photos] == expected


@pytest.mark.parametrize("workers", [0, 4])
def test_bad_files_raise_with_on_error_raise(spoiled, workers):
    photos = ImageFolder(
        spoiled,
        16,
        batch_size=1,
        shuffle=False,
        on_error="raise",
        workers=workers,
    )
    for index, error in [(1, OSError), (4, OSError), (6, ValueError)]:
        with pytest.raises(error, match=f"{index}.png"):
            photos[index]
    assert numbers([photos[0], photos[7]]) == [0, 7]


@pytest.mark.filterwarnings("ignore:.*Skipped")
@pytest.mark.parametrize("workers", [0, 4])
def test_no_usable_photo_is_an_error(tmp_path, workers):
    save_maps(tmp_path, 3)
    photos = ImageFolder(tmp_path, 64, workers=workers)
    with pytest.raises(ValueError, match="None of the 3 photos.*0.png"):
        photos[0]


# === Splits ===


def test_split_holds_the_last_files_out(tmp_path):
    save_maps(tmp_path, 12)
    photos = ImageFolder(
        tmp_path,
        crop_size=16,
        batch_size=3,
        crop="random",
        crops_per_photo=2,
        seed=3,
        on_error="raise",
        cache_bytes=0,
        workers=1,
    )
    train, test = photos.split(5)
    assert train.files == photos.files[:-5]
    assert test.files == photos.files[-5:]
    assert [file.stem for file in test.files] == ["7", "8", "9", "10", "11"]

    assert len(train) == 4
    assert corners(train[0]) != corners(test[0])
    twin = ImageFolder(photos.files[:-5], 16, 3, "random", 2, seed=3, workers=0)
    assert [corners(b) for b in train] == [corners(b) for b in twin]

    # Whole, in order, and cropped at the center in every epoch.
    for epoch in (0, 7):
        test.set_epoch(epoch)
        crops = [crop for batch in test for crop in corners(batch)]
        assert crops == [(12, 8, number) for number in range(7, 12)]

    train.files[0].write_bytes(b"")
    test.files[0].write_bytes(b"")
    for part in (train, test):
        with pytest.raises(OSError):
            list(part)


def test_split_by_share(tmp_path):
    save_maps(tmp_path, 10)
    photos = ImageFolder(tmp_path, 16)
    assert [len(part.files) for part in photos.split(0.2)] == [8, 2]
    assert [len(part.files) for part in photos.split(0.01)] == [9, 1]


@pytest.mark.parametrize("held_out", [0, 3, -1, 1.0, 0.0, -0.5, "5"])
def test_wrong_splits(tmp_path, held_out):
    save_maps(tmp_path, 3)
    with pytest.raises(ValueError, match="Received: held_out="):
        ImageFolder(tmp_path, 16).split(held_out)


# === Real photos ===

DATA = os.environ.get("KERAS_SRGAN_DATA")


@pytest.mark.skipif(
    not DATA,
    reason="NO REAL PHOTO TESTED: set KERAS_SRGAN_DATA to a folder that holds "
    "`faces/`.",
)
def test_real_faces():
    faces = ImageFolder(pathlib.Path(DATA, "faces"), seed=1)
    train, test = faces.split(5)
    assert len(train) == (len(faces.files) - 5) // 30
    with warnings.catch_warnings(record=True) as caught:
        batches = [train[index] for index in range(3)]
        (held_out,) = test
    assert not caught
    assert held_out.shape == (5, 128, 128, 3)
    for batch in batches:
        assert batch.shape == (30, 128, 128, 3)
        assert batch.dtype == "uint8"
        # Photos have contrast, and are smooth at the scale of a pixel.
        assert batch.std() > 30
        steps = np.abs(np.diff(batch.astype(int), axis=2))
        assert steps.mean() < batch.std() / 4


# === Cache ===


def test_decoded_photos_are_kept_up_to_the_limit(tmp_path, reads):
    files = save_maps(tmp_path, 4)
    size = 40 * 32 * 3
    photos = ImageFolder(
        files,
        crop_size=32,
        batch_size=4,
        shuffle=False,
        cache_bytes=2 * size,
        workers=0,
    )
    first = photos[0]
    assert reads.qsize() == 4
    np.testing.assert_array_equal(photos[0], first)
    assert reads.qsize() == 6


def test_no_cache(tmp_path, reads):
    photos = ImageFolder(
        save_maps(tmp_path, 2), crop_size=32, cache_bytes=0, workers=0
    )
    photos[0], photos[0]
    assert reads.qsize() == 4


def test_photos_without_room_in_memory_are_kept_on_disk(tmp_path, reads):
    files = save_maps(tmp_path, 3)

    def crops():
        photos = ImageFolder(
            files,
            crop_size=16,
            crop="random",
            cache_bytes=2 * load_image(files[0]).nbytes,
            cache_dir=tmp_path / "cache",
            workers=0,
        )
        photos[0], photos[0]
        return photos[0]

    expected = crops()
    assert reads.qsize() == 3
    np.testing.assert_array_equal(crops(), expected)
    # The two in memory are decoded again, the third is not.
    assert reads.qsize() == 3 + 2
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npy"]


def test_a_cache_that_fails_loses_no_photo(tmp_path, monkeypatch):
    files = save_maps(tmp_path, 3)
    with pytest.raises(ValueError, match="`cache_dir` must be a folder that"):
        ImageFolder(files, 16, cache_dir=files[0])
    settings = {"cache_bytes": 0, "shuffle": False, "workers": 0}
    expected = ImageFolder(files, 16, **settings)[0]
    folder = tmp_path / "cache"
    photos = ImageFolder(files, 16, cache_dir=folder, **settings)
    photos[0]
    # A crash of the machine can leave empty files.
    next(folder.iterdir()).write_bytes(b"")
    np.testing.assert_array_equal(photos[0], expected)

    def no_room(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "save", no_room)
    photos = ImageFolder(files, 16, cache_dir=tmp_path / "full", **settings)
    with pytest.warns(UserWarning, match="no longer used: No space left"):
        np.testing.assert_array_equal(photos[0], expected)


def test_a_photo_that_has_changed_is_read_again(tmp_path):
    (file,) = save_maps(tmp_path, 1)

    def crop():
        photos = ImageFolder(
            [file], 16, cache_bytes=0, cache_dir=tmp_path / "cache", workers=0
        )
        return photos[0]

    before = crop()
    save_map(file, 1)
    os.utime(file, ns=(1, 1))
    assert not np.array_equal(crop(), before)
