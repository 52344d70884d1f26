import gc
import io
import weakref
from contextlib import nullcontext

import keras
import numpy as np
import pytest
from keras import layers
from PIL import ExifTags
from PIL import Image
from PIL import ImageCms
from PIL import ImageDraw
from PIL import PngImagePlugin

from keras_srgan import Generator
from keras_srgan.formats import FORMATS
from keras_srgan.formats import LOSSLESS
from keras_srgan.layers import PixelShuffle
from keras_srgan.photo import open_photo
from keras_srgan.photo import save_photo
from keras_srgan.receptive_field import receptive_field
from keras_srgan.receptive_field import split
from keras_srgan.tiling import equal_windows
from keras_srgan.tiling import get_spans
from keras_srgan.upscaling import Upscaler
from keras_srgan.upscaling import upscale

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def generator():
    return make_generator(num_blocks=1, filters=4)


@pytest.fixture(scope="module")
def nearest():
    """Repeats pixels exactly, which makes results known."""
    return functional(layers.UpSampling2D(4))


def make_generator(**kwargs):
    """A generator with contrasts, as a trained one has, on any backend."""
    generator = Generator(**kwargs)
    random = np.random.default_rng(0)
    for weight in generator.weights:
        if weight.path.endswith("moving_variance"):
            continue
        width = max(1, np.prod(weight.shape[:-1])) ** 0.5
        bump = random.normal(size=weight.shape) / width
        weight.assign(keras.ops.convert_to_numpy(weight) + bump)
    return generator


def functional(*steps):
    x = inputs = keras.Input((None, None, 3))
    for step in steps:
        x = step(x)
    return keras.Model(inputs, x)


def noise(*shape, dtype="uint8"):
    random = np.random.default_rng(len(shape) + sum(shape))
    return random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def levels(image):
    return np.asarray(image).astype("float32")


# === Receptive field ===


def test_receptive_field_of_the_default_generator():
    # At the input's resolution, the 9x9 adds 4 and each of 2 * 16 + 1 + 1
    # 3x3s adds 1. At twice that a 3x3 adds 1/2, at four times a 9x9 adds 4/4.
    field = receptive_field(Generator(filters=1))
    assert field.scale == 4
    assert field.radius == 4 + 34 + 1 / 2 + 4 / 4
    assert field.halo == 40


def dense_block(x):
    more = layers.Conv2D(3, 3, padding="same", dilation_rate=2)(x)
    return layers.Conv2D(3, 1)(layers.Concatenate()([x, more]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_generator(filters=1),
        lambda: make_generator(scale=2, num_blocks=2, filters=2),
        lambda: make_generator(scale=8, num_blocks=0, filters=2),
        lambda: make_generator(
            num_blocks=1, filters=2, upsampling="pixel_shuffle_direct"
        ),
        lambda: make_generator(num_blocks=1, filters=2, use_batch_norm=True),
        lambda: functional(
            layers.SeparableConv2D(4, (3, 5), padding="same"),
            layers.UpSampling2D(2),
            layers.LeakyReLU(),
            layers.Conv2D(12, 4, padding="same"),
            PixelShuffle(2),
        ),
        lambda: functional(dense_block, layers.UpSampling2D(3)),
        lambda: functional(make_generator(num_blocks=0, filters=2)),
        lambda: keras.Sequential(
            [
                keras.Input((None, None, 3)),
                layers.Conv2D(12, 7, padding="same"),
                PixelShuffle(2),
            ]
        ),
    ],
)
def test_receptive_field_is_what_a_pixel_changes(make):
    model = make()
    field = receptive_field(model)
    size = 2 * field.halo + 5
    photo = np.full((1, size, size, 3), 100.0, "float32")
    photo[0, size // 2, size // 2] = np.nan  # spreads to all it reaches
    reached = np.isnan(model.predict_on_batch(photo)[0, :, :, 0])
    start = (size // 2 - field.radius) * field.scale
    stop = (size // 2 + 1 + field.radius) * field.scale
    rows, columns = np.nonzero(reached)
    for low, high in (rows.min(), rows.max()), (columns.min(), columns.max()):
        assert start <= low <= high < stop
    # Even and oblong kernels see less on one side.
    assert min(rows.min(), columns.min()) == start


def test_parts_together_are_the_network(generator):
    photo = noise(1, 9, 14, 3).astype("float32")
    before = [weight.path for weight in generator.weights]
    body, head = split(generator)
    assert body.field.scale == 1 and head.field.scale == 4
    assert head.field.halo == 3
    features = body.predict_on_batch(photo)
    assert features.shape == (1, 9, 14, 4)
    np.testing.assert_allclose(
        head.predict_on_batch(features),
        generator.predict_on_batch(photo),
        atol=1e-3,
    )
    assert [weight.path for weight in generator.weights] == before
    assert generator.get_layer("rgb_conv").output.shape[-1] == 3


# === Tiles ===


@pytest.mark.parametrize(
    "kind",
    [
        {"num_blocks": 0},
        {"num_blocks": 2},
        {"num_blocks": 1, "upsampling": "pixel_shuffle_direct"},
    ],
)
def test_tiled_equals_whole(kind):
    generator = make_generator(**kind, filters=4)
    sizes = [(1, 1), (1, 53), (31, 2), (37, 41), (64, 64), (97, 30)]
    for i, (height, width) in enumerate(sizes):
        photo = noise(height, width, 3)
        whole = generator.predict_on_batch(photo[None].astype("float32"))[0]
        assert whole.std() > 10
        upscaler = Upscaler(generator, tile_size=1 + 8 * i)
        if upscaler._stage.next:
            upscaler._stage.next.tile_size = 9 + 8 * i
        tiled = upscaler(photo)
        assert tiled.dtype == np.uint8
        assert np.abs(tiled - np.rint(whole)).max() <= 1


def test_seams_would_show(generator):
    """The test above can fail: half of the halo is not enough."""
    photo = noise(60, 60, 3)
    whole = upscale(generator, photo)
    upscaler = Upscaler(generator, tile_size=20)
    upscaler.halo //= 2
    assert np.abs(levels(upscaler(photo)) - levels(whole)).max() > 1


@pytest.mark.parametrize("length", [1, 7, 20, 21, 22, 100, 1009])
@pytest.mark.parametrize("tile_size", [1, 6, 64])
def test_windows_cover_each_pixel_once(length, tile_size):
    halo = 10
    windows = equal_windows(length, tile_size, halo)
    spans = get_spans(length, windows, halo)
    kept = [i for span in spans for i in range(length)[span.kept]]
    assert kept == list(range(length))
    assert len({span.window.stop - span.window.start for span in spans}) == 1
    for window, keep, inner in spans:
        assert range(length)[window][inner] == range(length)[keep]
        assert window.start == 0 or keep.start - window.start >= halo
        assert window.stop == length or window.stop - keep.stop >= halo
        assert window.stop - window.start <= tile_size + 2 * halo


def test_one_tile_shape(generator, monkeypatch):
    upscaler = Upscaler(generator, tile_size=16)
    shapes = record_shapes(upscaler._stage, monkeypatch)
    upscaler(noise(83, 59, 3))
    assert len(shapes) > 1 and len(set(shapes)) == 1


def record_shapes(stage, monkeypatch):
    """Returns a list that gets the shape of each window of a stage."""
    shapes = []
    predict = stage.part.predict_on_batch

    def record(x):
        shapes.append(x.shape)
        return predict(x)

    monkeypatch.setattr(stage.part, "predict_on_batch", record)
    return shapes


def test_an_upscaler_describes_itself(generator):
    upscaler = Upscaler(generator)
    assert upscaler.scale == 4
    assert upscaler.halo == receptive_field(generator).halo
    assert upscaler.tile_size >= 2 * upscaler.halo
    assert Upscaler(generator, tile_size=7).tile_size == 7


def test_an_unused_model_is_freed():
    model = functional(layers.UpSampling2D(2))
    upscale(model, noise(3, 3, 3))
    unused = weakref.ref(model)
    del model
    gc.collect()
    assert unused() is None


# === Memory ===

# What each backend says, and NumPy.
OUT_OF_MEMORY = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory: you"),
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    ValueError("RESOURCE_EXHAUSTED: Out of memory allocating 4 bytes."),
    type("ResourceExhaustedError", (Exception,), {})("OOM when allocating"),
]


def fail_above(stage, size, error, monkeypatch):
    """Makes a stage fail for windows above a size, as full memory would."""
    predict = stage.part.predict_on_batch

    def predict_or_fail(x):
        if max(x.shape[1:3]) > size:
            raise error
        return predict(x)

    monkeypatch.setattr(stage.part, "predict_on_batch", predict_or_fail)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=range(5))
@pytest.mark.parametrize("part", [0, 1])
def test_out_of_memory_halves_the_tile(generator, part, error, monkeypatch):
    photo = noise(110, 75, 3)
    whole = upscale(generator, photo)
    upscaler = Upscaler(generator)
    stage = upscaler._stage.next if part else upscaler._stage
    fail_above(stage, 64, error, monkeypatch)
    shapes = record_shapes(stage, monkeypatch)
    assert np.abs(levels(upscaler(photo)) - levels(whole)).max() <= 1
    assert max(shapes[0]) > 64
    # Later photos start with tiles that fit.
    del shapes[:]
    assert np.abs(levels(upscaler(photo)) - levels(whole)).max() <= 1
    assert max(map(max, shapes)) <= 64


def test_out_of_memory_even_in_small_tiles(generator, monkeypatch):
    upscaler = Upscaler(generator)
    fail_above(upscaler._stage, 1, MemoryError(), monkeypatch)
    with pytest.raises(MemoryError, match="tile of .* pixels.*CPU"):
        upscaler(noise(110, 75, 3))


def test_other_errors_are_not_tried_again(generator, monkeypatch):
    upscaler = Upscaler(generator)
    fail_above(upscaler._stage, 1, RuntimeError("no kernel"), monkeypatch)
    with pytest.raises(RuntimeError, match="no kernel"):
        upscaler(noise(110, 75, 3))


# === Values ===


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_output_that_is_not_finite_is_an_error(value, tmp_path):
    broken = functional(layers.UpSampling2D(2), layers.Rescaling(value))
    Image.new("RGB", (4, 4), "red").save(tmp_path / "photo.png")
    with pytest.raises(FloatingPointError, match=r"photo\.png.*float32"):
        upscale(broken, tmp_path / "photo.png")
    with pytest.raises(FloatingPointError, match="not finite.*float32"):
        upscale(broken, noise(4, 4, 3) // 2 + 1)


# === Progress ===


def test_progress_rises_to_one(generator):
    fractions = []
    upscale(
        generator,
        noise(50, 20, 3),
        tile_size=20,
        ensemble=True,
        progress=fractions.append,
    )
    assert len(fractions) > 16
    assert fractions == sorted(fractions)
    assert fractions[0] > 0 and fractions[-1] == 1


# === Kinds of pictures ===


@pytest.mark.parametrize("shape", [(), (1,), (2,), (3,), (4,)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_arrays_keep_their_kind(nearest, shape, dtype):
    array = noise(5, 6, *shape, dtype="uint16")
    array = array if dtype == "uint16" else (array // 257).astype(dtype)
    result = upscale(nearest, array)
    assert result.shape == (20, 24, *shape)
    assert result.dtype == ("float32" if dtype == "float64" else dtype)
    if shape in [(), (1,), (3,)]:
        repeated = array.repeat(4, axis=0).repeat(4, axis=1)
        np.testing.assert_allclose(result, repeated, rtol=1e-5)


MODES = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "La": "LA",
    "P": "RGB",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBA": "RGBA",
    "RGBX": "RGB",
    "RGBa": "RGBA",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "LAB": "RGB",
    "HSV": "RGB",
    "I": "I;16",
    "I;16": "I;16",
    "I;16B": "I;16",
    "F": "F",
}


@pytest.mark.parametrize("mode", MODES)
def test_modes(nearest, mode):
    if mode.startswith("I"):
        image = Image.fromarray(noise(5, 7, dtype="uint16"))
        if mode != "I;16":
            image = Image.fromarray(
                np.asarray(image).astype(">u2" if mode == "I;16B" else "i4")
            )
    elif mode in ("La", "LAB", "RGBa"):
        source = {"La": "LA", "LAB": "RGB", "RGBa": "RGBA"}[mode]
        image = Image.fromarray(noise(5, 7, len(source)))
        if mode == "LAB":
            image = ImageCms.profileToProfile(
                image,
                ImageCms.createProfile("sRGB"),
                ImageCms.createProfile("LAB"),
                outputMode="LAB",
            )
        else:
            image = image.convert(mode)
    else:
        image = Image.fromarray(noise(5, 7, 4)).convert("RGB").convert(mode)
    assert image.mode == mode
    before = image.tobytes()

    result = upscale(nearest, image)

    assert result.size == (28, 20)
    assert result.mode == MODES[mode]
    assert image.mode == mode and image.tobytes() == before
    if mode.startswith("I"):
        np.testing.assert_array_equal(
            np.asarray(result)[::4, ::4], np.asarray(image)
        )
    elif mode not in ("LA", "La", "RGBA", "RGBa", "PA"):
        expected = image.convert(MODES[mode])
        np.testing.assert_allclose(
            levels(result)[::4, ::4], levels(expected), atol=1
        )


def test_gray_is_the_luma_of_what_the_network_makes_of_it(generator):
    gray = Image.fromarray(noise(9, 9))
    colored = upscale(generator, gray.convert("RGB"))
    assert levels(colored).std(axis=-1).max() > 1
    np.testing.assert_allclose(
        levels(upscale(generator, gray)), levels(colored.convert("L")), atol=1
    )


def test_palette_transparency_becomes_alpha(nearest):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.paste(0, (0, 0, 2, 4))
    image.info["transparency"] = 0
    result = upscale(nearest, image)
    assert result.mode == "RGBA"
    assert "transparency" not in result.info
    assert result.getpixel((1, 8))[3] == 0
    assert result.getpixel((15, 8)) == (200, 100, 50, 255)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_transparent_color_becomes_alpha(nearest, mode, tmp_path):
    image = Image.new(mode, (6, 6), "white")
    image.paste("black", (0, 0, 3, 6))
    path = tmp_path / "key.png"
    image.save(path, transparency=0 if mode == "L" else (0, 0, 0))
    result = upscale(nearest, path)
    assert result.mode == mode + "A"
    assert np.asarray(result)[:, 0, -1].max() == 0
    assert np.asarray(result)[:, -1, -1].min() == 255


def test_cmyk_follows_its_profile(nearest, tmp_path):
    # No CMYK profile comes with Pillow: one that is unreadable must not stop
    # the photo, and must not be passed on as one of RGB.
    image = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    profile = bytearray(SRGB)
    profile[16:20] = b"CMYK"
    image.save(tmp_path / "cmyk.jpg", icc_profile=bytes(profile), quality=95)
    result = upscale(nearest, tmp_path / "cmyk.jpg")
    assert result.mode == "RGB"
    assert "icc_profile" not in result.info
    red, green, blue = result.getpixel((8, 8))
    assert red > 200 and green < 80 and blue < 80


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_photo(nearest, orientation, tmp_path):
    upright = Image.fromarray(noise(2, 3, 3)).resize((24, 16), 0)
    turn_back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if turn_back is None else upright.transpose(turn_back)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[ExifTags.Base.Artist] = "Ada"
    exif.get_ifd(ExifTags.IFD.Exif)[0xA002] = stored.width
    exif.get_ifd(ExifTags.IFD.Exif)[0x829D] = 2.8
    stored.save(tmp_path / "photo.png", exif=exif)

    result = upscale(nearest, tmp_path / "photo.png")

    assert result.size == (96, 64)
    np.testing.assert_array_equal(
        np.asarray(result)[::4, ::4], np.asarray(upright)
    )
    save_photo(result, tmp_path / "large.jpg")
    kept = open_photo(tmp_path / "large.jpg").getexif()
    assert kept.get(ORIENTATION, 1) == 1
    assert kept[ExifTags.Base.Artist] == "Ada"
    inner = kept.get_ifd(ExifTags.IFD.Exif)
    assert float(inner[0x829D]) == 2.8
    assert 0xA002 not in inner


def test_damaged_exif_is_no_reason_to_stop(nearest, tmp_path):
    path = tmp_path / "damaged.jpg"
    Image.new("RGB", (8, 8), "red").save(path, exif=b"Exif\0\0MM\0*garbage")
    with pytest.warns(UserWarning):
        result = upscale(nearest, path)
    assert "exif" not in result.info


@pytest.mark.parametrize("suffix", set(FORMATS) - {".jp2"})
def test_metadata_survives(nearest, suffix, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Copyright] = "Ada"
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "Crop circles")
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
    Image.fromarray(noise(8, 8, 3)).save(
        tmp_path / "photo.png",
        exif=exif,
        dpi=(300, 300),
        icc_profile=SRGB,
        pnginfo=texts,
    )
    result = upscale(nearest, tmp_path / "photo.png")
    assert result.info["Title"] == "Crop circles"
    lost = suffix != ".png"
    with pytest.warns(match="texts Title") if lost else nullcontext():
        save_photo(result, tmp_path / f"large{suffix}")

    saved = open_photo(tmp_path / f"large{suffix}")
    assert saved.size == (32, 32)
    assert saved.info["icc_profile"] == SRGB
    assert saved.getexif()[ExifTags.Base.Copyright] == "Ada"
    assert saved.info["xmp"] == xmp
    if suffix not in (".webp", ".avif"):
        assert round(saved.info["dpi"][0]) == 300
    if suffix == ".png":
        assert saved.info["Title"] == "Crop circles"


def test_a_tiff_leaves_its_layout_behind(nearest, tmp_path):
    path = tmp_path / "photo.tif"
    Image.fromarray(noise(8, 8, 3)).save(
        path, compression="tiff_lzw", dpi=(72, 72), artist="Ada"
    )
    exif = upscale(nearest, path).getexif()
    assert exif[ExifTags.Base.Artist] == "Ada"
    assert not {256, 257, 258, 259, 273, 278, 279} & set(exif)


def test_a_profile_of_another_color_space_is_dropped(nearest):
    image = Image.new("1", (4, 4))
    image.info["icc_profile"] = SRGB
    with pytest.warns(match="ICC profile"):
        assert "icc_profile" not in upscale(nearest, image).info


def test_first_picture_of_an_animation(nearest, tmp_path):
    frames = [Image.new("P", (6, 6), i) for i in range(3)]
    for frame in frames:
        frame.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    path = tmp_path / "animation.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match=r"animation\.gif holds 3 pictures"):
        result = upscale(nearest, path)
    assert result.convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    assert "duration" not in result.info


# === Alpha ===


@pytest.mark.parametrize("hidden", ["black", "lime"])
def test_hidden_colors_leave_no_fringe(generator, hidden):
    picture = Image.new("RGB", (40, 40), hidden)
    alpha = Image.new("L", (160, 160))
    ImageDraw.Draw(alpha).ellipse((30, 30, 120, 130), fill=255)
    alpha = alpha.resize((40, 40), Image.Resampling.BOX)
    picture.paste("red", mask=alpha.point(lambda a: 255 * (a > 0)))
    picture.putalpha(alpha)
    plain = upscale(generator, Image.new("RGB", (40, 40), "red"))

    result = levels(upscale(generator, picture, tile_size=16))

    visible = result[..., 3] > 0
    assert 0.2 < visible.mean() < 0.8
    difference = np.abs(result[..., :3] - levels(plain))[visible]
    assert difference.max() <= 2


def test_opaque_stays_opaque_and_clear_stays_clear(generator):
    photo = noise(24, 24, 4)
    photo[..., 3] = 255
    assert upscale(generator, photo)[..., 3].min() == 255
    photo[..., 3] = 0
    assert upscale(generator, photo)[..., 3].max() == 0


# === Sizes and ensemble ===


def test_any_size_is_one_antialiased_resize(generator):
    photo = Image.fromarray(noise(10, 15, 3))
    whole = upscale(generator, photo)
    for options, size in (
        ({"scale": 3}, (45, 30)),
        ({"scale": 0.5}, (8, 5)),
        ({"size": (19, 80)}, (19, 80)),
    ):
        result = upscale(generator, photo, **options)
        assert result.size == size
        expected = whole.resize(size, Image.Resampling.BICUBIC)
        np.testing.assert_allclose(levels(result), levels(expected), atol=1)


def test_resized_alpha_fits_and_leaves_no_fringe(nearest):
    picture = Image.new("RGBA", (12, 12), (0, 255, 0, 0))
    picture.paste((255, 0, 0, 255), (3, 3, 9, 9))
    result = levels(upscale(nearest, picture, scale=3))
    assert result.shape == (36, 36, 4)
    visible = result[..., 3] > 0
    np.testing.assert_allclose(result[visible][:, 1], 0, atol=1)


def test_ensemble_turns_with_the_photo(generator):
    photo = noise(11, 17, 3)
    plain = levels(upscale(generator, photo))
    result = levels(upscale(generator, photo, tile_size=4, ensemble=True))
    assert np.abs(result - plain).max() > 2
    for turn in (
        lambda x: np.rot90(x),
        lambda x: x[:, ::-1],
        lambda x: x.transpose(1, 0, 2),
    ):
        turned = upscale(generator, turn(photo).copy(), ensemble=True)
        assert np.abs(levels(turned) - turn(result)).max() <= 1


# === Models ===


def test_a_saved_generator_upscales(generator, tmp_path):
    photo = noise(7, 9, 3)
    before = upscale(generator, photo)
    generator.save(tmp_path / "generator.keras")
    loaded = keras.saving.load_model(tmp_path / "generator.keras")
    np.testing.assert_array_equal(upscale(loaded, photo), before)


def test_a_model_with_a_generator_upscales(generator):
    class GAN(keras.Model):
        def __init__(self):
            super().__init__()
            self.generator = generator

    photo = noise(7, 9, 3)
    np.testing.assert_array_equal(
        upscale(GAN(), photo), upscale(generator, photo)
    )


def test_new_weights_count(generator):
    photo = noise(7, 9, 3)
    other = make_generator(num_blocks=1, filters=4)
    before = upscale(other, photo)
    other.set_weights([0.5 * weight for weight in other.get_weights()])
    assert np.abs(levels(upscale(other, photo)) - levels(before)).max() > 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: "srgan.keras", "must be an SRGAN"),
        (lambda: keras.Sequential([layers.Dense(3)]), "must be an SRGAN"),
        (
            lambda: functional(layers.Conv2D(1, 3, padding="same")),
            "must be an SRGAN",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(10)]
            ),
            "must be an SRGAN",
        ),
        (
            lambda: functional(layers.Conv2D(3, 3)),
            'padding="same" and strides=1',
        ),
        (
            lambda: functional(layers.Conv2D(3, 3, strides=2, padding="same")),
            'padding="same" and strides=1',
        ),
        (
            lambda: functional(layers.MaxPooling2D(1)),
            "receptive field of this kind of layer",
        ),
    ],
)
def test_a_model_that_is_not_a_generator(make, message):
    with pytest.raises(ValueError, match=message) as error:
        model = make()
        upscale(model, noise(8, 8, 3))
    assert "Received: " in str(error.value)


# === Bad input ===


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "must be a Pillow image"),
        (np.zeros(3, "uint8"), "of shape"),
        (np.zeros((1, 4, 4, 3), "uint8"), "of shape"),
        (np.zeros((4, 4, 5), "uint8"), "of shape"),
        (np.zeros((0, 4, 3), "uint8"), "must have pixels"),
        (np.zeros((4, 4, 3), "int32"), "uint8, uint16 or float"),
        (np.zeros((4, 4, 3), "bool"), "uint8, uint16 or float"),
        (np.full((4, 4, 3), np.nan), r"in \[0, 255\]"),
        (np.full((4, 4, 3), 300.0), r"in \[0, 255\]"),
        (np.full((4, 4, 3), -1.0), r"in \[0, 255\]"),
        (Image.new("RGB", (0, 4)), "must have pixels"),
        (Image.fromarray(np.full((4, 4), 70000, "int32")), "mode I must"),
    ],
)
def test_bad_images(nearest, image, message):
    with pytest.raises(ValueError, match=message) as error:
        upscale(nearest, image)
    assert "Received: " in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"tile_size": 0},
        {"tile_size": 2.5},
        {"scale": 0},
        {"scale": float("nan")},
        {"size": (0, 4)},
        {"size": (4, 4, 3)},
        {"size": 4},
        {"size": (4, 4), "scale": 2},
    ],
)
def test_bad_options(nearest, options):
    with pytest.raises(ValueError, match="Received: ") as error:
        upscale(nearest, noise(4, 4, 3), **options)
    assert any(f"`{name}`" in str(error.value) for name in options)


def test_bad_files_are_named(nearest, tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(noise(50, 50, 3)).save(buffer, "PNG")
    whole = buffer.getvalue()
    files = {
        "empty.png": b"",
        "truncated.png": whole[:2000],
        "header.png": whole[:20],
        "text.jpg": b"not a photo",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(OSError, match=name):
            upscale(nearest, tmp_path / name)
    with pytest.raises(FileNotFoundError, match="missing"):
        upscale(nearest, str(tmp_path / "missing.jpg"))
    with pytest.raises(IsADirectoryError):
        upscale(nearest, tmp_path)
    (tmp_path / "bomb.png").write_bytes(whole)
    with pytest.raises(OSError, match=r"bomb\.png.*--max-megapixels"):
        open_photo(tmp_path / "bomb.png", max_megapixels=0.002)


def test_a_photo_of_the_wrong_suffix_is_read_for_what_it_is(nearest, tmp_path):
    Image.new("RGB", (4, 4), "red").save(tmp_path / "photo.jpg", "PNG")
    result = upscale(nearest, tmp_path / "photo.jpg")
    assert result.getpixel((0, 0)) == (255, 0, 0)


# === Files ===


@pytest.mark.parametrize("suffix", [*FORMATS, ".JPEG", ".TIF"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "F"])
def test_all_results_can_be_saved(suffix, mode, tmp_path):
    image = Image.new("L", (8, 8), 100)
    if mode == "I;16":
        image = Image.fromarray(np.full((8, 8), 25700, "uint16"))
    image = image.convert(mode)
    path = tmp_path / f"photo{suffix}"
    save_photo(image, path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    saved = open_photo(path)
    if suffix.lower() in LOSSLESS and mode != "F":
        assert saved.mode == mode
    expected = 25700 if saved.mode == "I;16" else 100
    assert abs(np.asarray(saved)[0, 0].flat[0] - expected) <= 2


def test_jpeg_lays_transparent_photos_on_white(tmp_path):
    for mode, size in ("RGBA", 3), ("LA", 1):
        save_photo(Image.new(mode, (8, 8)), tmp_path / "photo.jpg")
        saved = np.asarray(open_photo(tmp_path / "photo.jpg"))
        assert saved.shape[2:] == (() if size == 1 else (3,))
        assert saved.min() >= 254


def test_metadata_too_long_for_jpeg_is_no_reason_to_stop(tmp_path):
    image = Image.new("RGB", (8, 8))
    image.info = {"exif": b"Exif\0\0" + bytes(70000), "xmp": bytes(70000)}
    with pytest.warns(match="dropped EXIF of more than"):
        save_photo(image, tmp_path / "photo.jpg")
    assert not open_photo(tmp_path / "photo.jpg").getexif()


def test_nothing_half_written(tmp_path):
    path = tmp_path / "photo.png"
    save_photo(Image.new("RGB", (8, 8), "red"), path)

    class Interrupted(Image.Image):
        def save(self, file, *args, **kwargs):
            file.write_bytes(b"half")
            raise KeyboardInterrupt

    photo = Interrupted()
    photo._mode, photo._size = "RGB", (8, 8)
    with pytest.raises(KeyboardInterrupt):
        save_photo(photo, path)
    assert [file.name for file in tmp_path.iterdir()] == ["photo.png"]
    assert open_photo(path).getpixel((0, 0)) == (255, 0, 0)

    with pytest.raises(OSError, match=r"no-such/photo\.png"):
        save_photo(Image.new("RGB", (8, 8)), tmp_path / "no-such/photo.png")
    with pytest.raises(ValueError, match="must end in"):
        save_photo(Image.new("RGB", (8, 8)), tmp_path / "photo.txt")
    with pytest.raises(ValueError, match="16383"):
        save_photo(Image.new("L", (16384, 1)), tmp_path / "photo.webp")
    assert [file.name for file in tmp_path.iterdir()] == ["photo.png"]
