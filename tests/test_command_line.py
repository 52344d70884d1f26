import io
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from PIL import ImageCms
from PIL import features

from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import Upscaler
from keras_srgan.cli import main
from keras_srgan.photo import MAX_MEGAPIXELS
from keras_srgan.photo import open_photo
from keras_srgan.receptive_field import Part

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION = 0x0112
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Model files. The results of `nearest` are known: it repeats pixels."""
    folder = tmp_path_factory.mktemp("models")
    inputs = keras.Input((None, None, 3))
    nearest = keras.Model(inputs, layers.UpSampling2D(4)(inputs))
    generator = Generator(num_blocks=1, filters=4)
    nearest.save(folder / "nearest.keras")
    generator.save(folder / "generator.keras")
    Discriminator(filters=2).save(folder / "discriminator.keras")
    (folder / "text.keras").write_text("not a model")
    return folder


@pytest.fixture
def upscale(models, tmp_path, monkeypatch, capsys):
    """Runs the command in an empty folder: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, model="nearest"):
        arguments = [str(argument) for argument in arguments]
        model = str(models / f"{model}.keras")
        status = main(["upscale", *arguments, "--model", model])
        return status, *capsys.readouterr()

    return run


def noise(width=7, height=5, channels=3):
    random = np.random.default_rng(width * height)
    return random.integers(0, 256, (height, width, channels), "uint8")


def photo(mode="RGB", **kwargs):
    image = Image.fromarray(noise(**kwargs))
    return image if mode == "RGB" else image.convert(mode)


def files(folder="."):
    """All files, including hidden ones."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in Path(folder).rglob("*")
        if path.is_file()
    )


# === Kinds of photos ===


def transparent(mode):
    image = photo("RGBA")
    image.putalpha(Image.fromarray(np.eye(5, 7, dtype="uint8") * 255))
    return image.convert(mode)


def sixteen_bits():
    return Image.fromarray(noise(channels=1)[..., 0].astype("uint16") * 257)


def with_transparent_color():
    image = photo("L").quantize(8)
    image.info["transparency"] = 0
    return image


def rotated():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return {"exif": exif, "quality": 100, "subsampling": 0}


REAL = {
    # name: (photo, options of its file, mode and name of the result)
    "1_bit.png": (photo("1"), {}, "L", "1_bit.png"),
    "gray.png": (photo("L"), {}, "L", "gray.png"),
    "gray_alpha.png": (transparent("LA"), {}, "LA", "gray_alpha.png"),
    "16_bit.png": (sixteen_bits(), {}, "I;16", "16_bit.png"),
    "palette.gif": (photo("L").quantize(8), {}, "RGB", "palette.png"),
    "palette.png": (with_transparent_color(), {}, "RGBA", "palette.png"),
    "rgb.bmp": (photo(), {}, "RGB", "rgb.png"),
    "rgba.webp": (transparent("RGBA"), {"lossless": True}, "RGBA", "rgba.webp"),
    "cmyk.tif": (photo("CMYK"), {}, "RGB", "cmyk.tif"),
    "lab.tiff": (photo("LAB"), {}, "RGB", "lab.tiff"),
    "float.tif": (photo("F"), {}, "L", "float.tif"),
    "rotated.jpg": (photo(), rotated(), "RGB", "rotated.jpg"),
    "profile.png": (photo(), {"icc_profile": SRGB}, "RGB", "profile.png"),
    "odd size.JPG": (photo(width=1, height=13), {}, "RGB", "odd size.JPG"),
    "png_inside.jpg": (photo(), {"format": "PNG"}, "RGB", "png_inside.jpg"),
    "ünïcödé [b].png": (photo(), {}, "RGB", "ünïcödé [b].png"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_photo(upscale, name):
    image, options, mode, result = REAL[name]
    image.save(name, **options)
    status, out, err = upscale(name, "-o", "large")
    assert (status, err) == (0, "")
    assert files() == sorted([name, f"large/{result}"])
    assert out.startswith(f"{name} -> large/{result} (")
    assert len(out.splitlines()) == 1

    large = open_photo(f"large/{result}")
    assert large.mode == mode
    with Image.open(name) as file:
        small = file.copy()
    if name.startswith("rotated"):
        small = small.rotate(-90, expand=True)
        assert ORIENTATION not in large.getexif()
    assert large.size == (small.width * 4, small.height * 4)
    assert large.info.get("icc_profile") == options.get("icc_profile")

    if mode != small.mode:
        small = small.convert(mode)
    expected = np.asarray(small).astype(int).repeat(4, 0).repeat(4, 1)
    pixels = np.asarray(large).astype(int)
    if mode.endswith("A"):  # only the colors of visible pixels count
        seen = expected[..., -1] == 255
        expected, pixels = expected[seen], pixels[seen]
        expected, pixels = expected[..., :-1], pixels[..., :-1]
    error = np.abs(pixels - expected)
    if result.lower().endswith((".jpg", ".webp")):
        assert error.mean() <= 15
    else:
        assert error.max() <= (257 if mode == "I;16" else 1)


def test_animation_gives_its_first_picture_and_a_warning(upscale):
    frames = [photo(), photo().rotate(180)]
    frames[0].save("film.gif", save_all=True, append_images=frames[1:])
    status, _, err = upscale("film.gif", "--format", "png")
    assert status == 0
    assert err.startswith("warning: film.gif holds 2 pictures")
    assert open_photo("film-x4.png").size == (28, 20)


# === Bad input ===


def png(width, height, pixels=b""):
    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


def encoded(image, format):
    buffer = io.BytesIO()
    image.save(buffer, format)
    return buffer.getvalue()


WHOLE = encoded(photo(width=64, height=64), "PNG")
BAD = {
    "empty.jpg": (b"", "cannot identify"),
    "truncated.png": (WHOLE[: len(WHOLE) // 2], "truncated"),
    "truncated.jpg": (
        encoded(photo(width=64, height=64), "JPEG")[:-900],
        "truncated",
    ),
    "text.png": (b"Dear photo,", "cannot identify"),
    "zero.png": (png(0, 7), "Cannot read"),
    "bomb.png": (png(60000, 60000), "--max-megapixels"),
    "vector.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "cannot identify"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_photo_is_named_and_skipped(upscale, name):
    content, reason = BAD[name]
    Path("photos").mkdir()
    Path("photos", name).write_bytes(content)
    for good in "before.png", "without.png":
        photo().save(f"photos/{good}")
    status, out, err = upscale("photos")
    assert status == 1
    assert err.startswith("failed: ") and len(err.splitlines()) == 1
    assert f"photos/{name}" in err and reason in err
    assert out.splitlines()[-1] == "2 enlarged, 1 failed, 0 finished before"
    assert files("photos-x4") == ["before.png", "without.png"]


def test_missing_photo_is_named_and_skipped(upscale):
    photo().save("there.png")
    status, _, err = upscale("missing.png", "there.png")
    assert status == 1
    assert err == "failed: No such file or directory: missing.png\n"
    assert files() == ["there-x4.png", "there.png"]
    assert upscale("missing.png", "-o", "new/large.png")[0] == 1
    assert not Path("new").exists()


def test_unwritable_output(upscale):
    photo().save("photo.png")
    Path("file").touch()
    status, _, err = upscale("photo.png", "-o", "file/large.png")
    assert status == 1
    assert "photo.png: " in err and "file" in err
    assert files() == ["file", "photo.png"]


def test_directory_where_a_file_goes(upscale):
    photo().save("photo.png")
    Path("photo-x4.png").mkdir()
    status, _, err = upscale("photo.png")
    assert status == 1
    assert "photo-x4.png: it is a folder" in err
    assert files() == ["photo.png"]


def test_photo_too_large_for_its_format(upscale):
    photo(width=4096, height=1).save("long.webp", lossless=True)
    status, _, err = upscale("long.webp")
    assert status == 1
    assert "16383 pixels" in err and "--format png" in err
    assert files() == ["long.webp"]
    assert upscale("long.webp", "--format", "png")[0] == 0
    assert open_photo("long-x4.png").size == (16384, 4)


@pytest.mark.parametrize(
    "model, reason",
    [
        ("missing", "no model file"),
        ("text", "is not a .keras file"),
        ("discriminator", "cannot enlarge photos"),
        ("folder", "no model file"),
    ],
)
def test_bad_model(upscale, models, model, reason):
    (models / "folder.keras").mkdir(exist_ok=True)
    photo().save("photo.png")
    status, out, err = upscale("photo.png", model=model)
    assert (status, out) == (2, "")
    assert reason in err and f"{model}.keras" in err
    assert files() == ["photo.png"]


def test_output_that_is_not_finite(upscale, models):
    broken = Generator(num_blocks=1, filters=4)
    broken.set_weights([w * np.nan for w in broken.get_weights()])
    broken.save(models / "broken.keras")
    photo().save("photo.png")
    status, out, err = upscale("photo.png", model="broken")
    assert (status, err.count("\n")) == (1, 1)
    assert "photo.png" in err and "float32" in err
    assert files() == ["photo.png"]


def test_full_disk(upscale):
    photo(width=32, height=32).save("photo.png")
    assert upscale("photo.png")[0] == 0
    before = Path("photo-x4.png").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        status, _, err = upscale("photo.png", "--overwrite")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 1
    assert "Cannot write photo photo-x4.png" in err
    assert files() == ["photo-x4.png", "photo.png"]
    assert Path("photo-x4.png").read_bytes() == before


@pytest.mark.once
def test_ctrl_c_leaves_whole_files_and_can_be_repeated(upscale, models):
    Path("photos").mkdir()
    photo().save("photos/1.png")
    # With tiles of one pixel, this one takes long.
    photo(width=300, height=300).save("photos/2.png")
    command = [sys.executable, "-m", "keras_srgan.cli", "upscale"]
    command += [str(Path("photos").resolve()), "--tile-size", "1"]
    command += ["--model", str(models / "nearest.keras")]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "1.png" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "repeat the command" in err
    assert files("photos-x4") == ["1.png"]

    status, out, _ = upscale("photos")
    assert status == 0
    assert out.splitlines()[-1].startswith(
        "1 enlarged, 0 failed, 1 finished before"
    )
    assert files("photos-x4") == ["1.png", "2.png"]


# === Names ===


def test_tree_is_kept(upscale):
    names = ["10.jpg", "2.jpg", "a/3.png", "a/b/4.tif"]
    for name in [*names, ".hidden/5.png"]:
        Path("photos", name).parent.mkdir(parents=True, exist_ok=True)
        photo().save(f"photos/{name}")
    Path("photos/notes.txt").touch()
    shutil.copytree("photos", "others")
    expected = ["10.jpg", "2.jpg", "a/3.png", "a/b/4.tif"]

    status, out, _ = upscale("photos")
    assert status == 0
    assert files("photos-x4") == expected
    assert [line.split()[0] for line in out.splitlines()[:-1]] == [
        f"photos/{name}" for name in ["2.jpg", "10.jpg", "a/3.png", "a/b/4.tif"]
    ]
    # Results in the folder are not photos of the next run.
    for made in 4, 0:
        status, out, _ = upscale("others", "-o", "others/large")
        assert status == 0 and out.count(" -> ") == made
    assert files("others/large") == expected


def test_working_folder(upscale, monkeypatch, tmp_path):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "photos")
    photo().save("1.png")
    assert upscale(".")[0] == 0
    assert files("../photos-x4") == ["1.png"]


@pytest.mark.parametrize(
    "options, name, size",
    [
        ([], "photo-x4.jpg", (28, 20)),
        (["--scale", "3"], "photo-x3.jpg", (21, 15)),
        (["--scale", "2.5"], "photo-x2.5.jpg", (18, 12)),
        (["--size", "30x20"], "photo-30x20.jpg", (30, 20)),
        (["--format", "webp"], "photo-x4.webp", (28, 20)),
        (["--format", "tif"], "photo-x4.tif", (28, 20)),
        (["-o", "large.webp"], "large.webp", (28, 20)),
        (["-o", "new/large.PNG"], "new/large.PNG", (28, 20)),
        (["-o", "new/folder"], "new/folder/photo.jpg", (28, 20)),
        (["--ensemble"], "photo-x4.jpg", (28, 20)),
        (["--tile-size", "2"], "photo-x4.jpg", (28, 20)),
        (["--device", "cpu"], "photo-x4.jpg", (28, 20)),
    ],
)
def test_options(upscale, options, name, size):
    photo().save("photo.jpg")
    assert upscale("photo.jpg", *options)[0] == 0
    assert files() == sorted(["photo.jpg", name])
    assert open_photo(name).size == size


def test_quality(upscale):
    photo(width=32, height=32).save("photo.jpg")
    sizes = []
    for quality in 30, 95:
        upscale("photo.jpg", "--quality", quality, "--overwrite")
        sizes.append(Path("photo-x4.jpg").stat().st_size)
    assert sizes[0] < 0.7 * sizes[1]


def test_finished_photos_are_skipped_without_overwrite(upscale):
    photo().save("photo.png")
    upscale("photo.png")
    Path("photo-x4.png").write_bytes(b"finished")
    status, out, _ = upscale("photo.png")
    assert status == 0
    assert out.startswith("0 enlarged, 0 failed, 1 finished before")
    assert Path("photo-x4.png").read_bytes() == b"finished"
    assert upscale("photo.png", "--overwrite")[0] == 0
    assert open_photo("photo-x4.png").size == (28, 20)


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["a.png", "-o", "."], "would be overwritten"),
        (["a.png", "-o", "link.png"], "would be overwritten"),
        (["folder", "-o", "folder"], "would be overwritten"),
        (["a.png", "b.png", "-o", "out.png"], "must be a folder"),
        (["folder", "-o", "a.png"], "must be a folder"),
        (["a.png", "-o", "out.gif"], "must end in one of .png"),
        (["a.png", "-o", "out.png", "--format", "jpg"], "--format"),
        (["empty"], "no photos in empty"),
        (["a.png", "--device", "abacus"], "--device abacus"),
    ],
)
def test_wrong_commands(upscale, arguments, reason):
    for name in "folder", "empty":
        Path(name).mkdir()
    for name in "a.png", "b.png", "a.tif", "folder/a.png":
        photo().save(name)
    Path("link.png").symlink_to("a.png")
    before = files()
    status, out, err = upscale(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("keras-srgan upscale: error: ") and reason in err
    assert files() == before


@pytest.mark.parametrize(
    "options",
    [
        ["--tile-size", "0"],
        ["--tile-size", "2.5"],
        ["--scale", "-1"],
        ["--scale", "many"],
        ["--scale", "nan"],
        ["--size", "1920"],
        ["--size", "0x5"],
        ["--scale", "2", "--size", "4x4"],
        ["--quality", "101"],
        ["--format", "gif"],
        ["--precision", "int8"],
    ],
)
def test_wrong_options(upscale, options, capsys):
    photo().save("photo.png")
    with pytest.raises(SystemExit) as stop:
        upscale("photo.png", *options)
    assert stop.value.code == 2
    assert options[-2] in capsys.readouterr().err
    assert files() == ["photo.png"]


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["upscale", "--help"])
    assert stop.value.code == 0
    assert "photo-x4.jpg" in capsys.readouterr().out


def test_p_png_beside_p_bmp(upscale):
    """waifu2x-ncnn-vulkan #27: such a folder was refused as a whole."""
    Path("photos").mkdir()
    for name in "p.bmp", "p.png", "q.tif", "r.jpg", "r.jpeg":
        photo().save(f"photos/{name}")
    for finished in 0, 5:
        status, out, _ = upscale("photos")
        assert status == 0
        assert f"{finished} finished before" in out
        assert files("photos-x4") == [
            "p.bmp.png",
            "p.png",
            "q.tif",
            "r.jpeg",
            "r.jpg",
        ]
    assert upscale("photos", "-o", "all", "--format", "jpg")[0] == 0
    assert files("all") == [
        "p.bmp.jpg",
        "p.png.jpg",
        "q.jpg",
        "r.jpeg.jpg",
        "r.jpg",
    ]
    status, out, _ = upscale("photos/p.png", "photos/p.bmp")
    assert status == 0 and "2 enlarged" in out
    assert Path("photos/p-x4.png").exists()
    assert Path("photos/p.bmp-x4.png").exists()


def test_photos_of_one_name_from_two_folders(upscale):
    for name in "a/p.png", "b/p.png", "b/q.png":
        Path(name).parent.mkdir(exist_ok=True)
        photo().save(name)
    status, out, err = upscale("a", "b", "-o", "out")
    assert status == 1
    assert "a/p.png and b/p.png would both become out/p.png" in err
    assert out.splitlines()[-1].startswith("1 enlarged, 2 failed")
    assert files("out") == ["q.png"]


def test_a_photo_and_its_folder(upscale):
    Path("photos").mkdir()
    photo().save("photos/a.png")
    status, out, _ = upscale("photos", "photos/a.png", "photos/a.png")
    assert status == 0 and "2 enlarged" in out
    assert files() == ["photos-x4/a.png", "photos/a-x4.png", "photos/a.png"]


@pytest.mark.parametrize("length", [245, 251, 252, 255])
def test_long_names(upscale, length):
    """upscayl #118, #132: names that leave no room for an ending."""
    Path("photos").mkdir()
    name = "n" * (length - 4) + ".png"
    photo().save(f"photos/{name}")
    photo().save("photos/short.png")
    status, out, err = upscale(f"photos/{name}", "photos/short.png")
    if length + len("-x4") <= 255:
        assert (status, err) == (0, "")
    else:
        # It is named before any work, and the other photo is enlarged.
        assert status == 1
        assert len(err.splitlines()) == 1 and name in err
        assert f"{length + 3} bytes, more than the 255 allowed" in err
        assert "1 enlarged, 1 failed" in out
    assert Path("photos/short-x4.png").exists()
    # In another folder no ending is needed.
    assert upscale("photos", "-o", "out")[0] == 0
    assert name in files("out")


def test_long_names_that_do_not_exist(upscale):
    status, _, err = upscale("n" * 300 + ".png")
    assert status == 1 and "n" * 300 in err


NOT_UTF8 = b"caf\xe9.png"


@pytest.mark.once
def test_names_that_cannot_be_printed(upscale, models):
    """dangerzone #768: a name that is not UTF-8 ended the whole batch."""
    names = [
        NOT_UTF8,
        "ünïcödé.png".encode(),
        b"two\nlines \x1b[31m.png",
        b"z.png",
    ]
    os.mkdir("photos")
    for name in names:
        photo().save(os.path.join(b"photos", name))
    (Path("photos") / os.fsdecode(b"bad\xff.jpg")).write_bytes(b"no photo")
    for encoding, cafe in ("ascii", "caf\\xe9"), ("utf-8", "caf\\xe9"):
        shutil.rmtree("photos-x4", ignore_errors=True)
        process = subprocess.run(
            [sys.executable, "-m", "keras_srgan.cli", "upscale", "photos"]
            + ["--model", str(models / "nearest.keras")],
            env={
                **os.environ,
                "KERAS_BACKEND": keras.backend.backend(),
                "PYTHONPATH": str(ROOT),
                "PYTHONIOENCODING": encoding,
            },
            capture_output=True,
        )
        out, err = process.stdout.decode(encoding), process.stderr.decode()
        assert process.returncode == 1
        assert sorted(os.listdir(b"photos-x4")) == sorted(names)
        assert cafe in out and "two\\nlines \\x1b[31m.png" in out
        assert len(out.splitlines()) == len(names) + 1
        assert "bad\\xff.jpg" in err and "Traceback" not in err


@pytest.mark.parametrize("made", [0, 3])
def test_folder_that_cannot_be_written_to(upscale, made):
    """upscayl #842, #1492: it was noticed after the work, for each photo."""
    Path("photos").mkdir()
    for i in range(3):
        photo().save(f"photos/{i}.png")
    # The superuser may write to any real folder, but not to this one.
    status, out, err = upscale("photos", "-o", "/proc/none")
    assert status == 1
    assert "Cannot write to /proc" in err and "(3 photos)" in err
    assert len(err.splitlines()) == 1
    assert " -> " not in out
    # Finished photos need no writing.
    assert files("photos") == ["0.png", "1.png", "2.png"]


def test_other_folders_are_written_to(upscale):
    photo().save("photo.png")
    if os.geteuid():
        os.mkdir("locked")
        photo().save("locked/photo.png")
        os.chmod("locked", 0o500)
        status, out, err = upscale("locked/photo.png", "photo.png")
        os.chmod("locked", 0o700)
    else:
        status, out, err = upscale("/proc/none/photo.png", "photo.png")
    assert status == 1
    assert len(err.splitlines()) == 1 and "Cannot write to" in err
    assert Path("photo-x4.png").exists()


def test_repeated_commands_do_not_enlarge_results(upscale):
    """`keras-srgan upscale *.jpg` twice: the second time, of more files."""
    for name in "a.jpg", "b.jpg":
        photo().save(name)
    assert upscale("a.jpg", "b.jpg")[0] == 0
    before = files()
    status, out, err = upscale(*before)
    assert status == 0
    assert files() == before == ["a-x4.jpg", "a.jpg", "b-x4.jpg", "b.jpg"]
    assert "2 finished before" in out
    assert "left out, as an earlier result: a-x4.jpg" in err


def test_all_that_pillow_reads_is_found_and_the_rest_counted(upscale):
    """upscayl #888, #1491: photos of some suffixes were silently skipped."""
    Path("photos").mkdir()
    made = []
    for suffix in "jfif jpe jp2 gif png apng bmp ppm tga mpo pcx qoi".split():
        try:
            photo().save(f"photos/{suffix}.{suffix}")
        except (KeyError, ValueError):  # not in older versions of Pillow
            continue
        made.append(f"{suffix}.{'jp2' if suffix == 'jp2' else 'png'}")
    if features.check("avif"):
        photo().save("photos/avif.AVIF")
        made.append("avif.AVIF")
    for name in "a.heic", "b.HEIC", "c.cr2", "d.txt", "e", ".hidden.txt":
        Path("photos", name).touch()
    status, out, err = upscale("photos")
    assert status == 0
    assert files("photos-x4") == sorted(made)
    assert "2 .heic" in err and "1 .cr2" in err and "1 .txt" in err
    assert "1 without suffix" in err
    assert "pip install pillow-heif" in err


def test_max_megapixels(upscale, monkeypatch):
    """realesrgan-gui #34: Pillow refused phone photos of 200 megapixels."""
    assert MAX_MEGAPIXELS >= 200
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    photo(width=50, height=40).save("photo.png")
    status, _, err = upscale("photo.png", "--max-megapixels", "0.001")
    assert status == 1
    assert "photo.png" in err and "--max-megapixels" in err
    assert upscale("photo.png", "--max-megapixels", "0.002")[0] == 0


def test_large_jpeg(upscale):
    """sdnext #1048: libjpeg's limit is 65,500 pixels, not 65,535."""
    photo(width=16376, height=1).save("long.jpg")
    status, _, err = upscale("long.jpg")
    assert status == 1
    assert "65500 pixels" in err and "--format png" in err
    assert files() == ["long.jpg"]
    assert upscale("long.jpg", "--size", "65500x4")[0] == 0
    assert open_photo("long-65500x4.jpg").size == (65500, 4)


def test_errors_of_the_network_name_the_photo(upscale, monkeypatch):
    """InvokeAI #939: NaN from the network was saved as a black photo."""
    real = Upscaler.__call__

    def fragile(self, image, **options):
        if getattr(image, "width", 1) == 20:
            raise ValueError("the output is not finite")
        return real(self, image, **options)

    monkeypatch.setattr(Upscaler, "__call__", fragile)
    photo(width=20, height=20).save("bad.png")
    photo().save("good.png")
    status, out, err = upscale("bad.png", "good.png")
    assert status == 1
    assert err == "failed: bad.png: the output is not finite\n"
    assert "1 enlarged, 1 failed" in out
    assert files() == ["bad.png", "good-x4.png", "good.png"]


# === Network ===


def test_the_network_computes_the_photo_only(upscale, monkeypatch):
    shapes = []
    real = Part.predict_on_batch

    def record(self, x):
        shapes.append(x.shape)
        return real(self, x)

    monkeypatch.setattr(Part, "predict_on_batch", record)
    photo(width=16, height=12).save("photo.png")
    assert upscale("photo.png")[0] == 0
    assert shapes == [(1, 12, 16, 3)]


def test_half_precision_is_close_to_full(upscale):
    photo(width=16, height=16).save("photo.png")
    results = {}
    for precision in "float32", "mixed_bfloat16", "mixed_float16":
        options = "--precision", precision, "-o", f"{precision}.png"
        status, _, err = upscale("photo.png", *options, model="generator")
        if precision == "float32" or status == 0:
            results[precision] = np.asarray(
                open_photo(f"{precision}.png")
            ).astype(int)
        else:  # not every machine supports it
            assert status == 2 and precision in err
    full = results.pop("float32")
    for half in results.values():
        assert 0 < np.abs(half - full).max() <= 2


@keras.saving.register_keras_serializable(package="test")
class OnlyFloat32(layers.PReLU):
    """Behaves as on a machine without half precision."""

    def call(self, inputs):
        if self.compute_dtype != "float32":
            raise NotImplementedError(f"no kernel for {self.compute_dtype}")
        return super().call(inputs)


def test_half_precision_that_is_not_supported(upscale, models):
    inputs = keras.Input((None, None, 3))
    x = OnlyFloat32(shared_axes=[1, 2])(inputs)
    keras.Model(inputs, x).save(models / "only_float32.keras")
    photo().save("photo.png")
    options = "--precision", "mixed_float16"
    status, _, err = upscale("photo.png", *options, model="only_float32")
    assert status == 2
    assert "cannot run" in err and "mixed_float16" in err
    assert "no kernel for float16" in err
    assert upscale("photo.png", model="only_float32")[0] == 0


# === Progress ===


def test_progress_bars_are_for_terminals(upscale, monkeypatch):
    photo().save("photo.png")
    assert "all photos" not in upscale("photo.png")[2]
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "all photos" in upscale("photo.png", "--overwrite")[2]
