"""Where the photo does not determine the detail: --report."""

import html.parser
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_srgan import Generator
from keras_srgan.cli import main
from keras_srgan.detail_map import DetailMap
from keras_srgan.detail_map import describe_detail
from keras_srgan.detail_map import map_detail
from keras_srgan.detail_page import write_page
from keras_srgan.preset import save_preset


def noise(height, width, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), "uint8")


def make_map(height=30, width=42, rows=slice(0), columns=slice(0)):
    difference = np.zeros((height, width), "float32")
    difference[rows, columns] = 9
    return DetailMap(difference, np.zeros((height, width), "float32"))


# === Map ===


def test_equal_results_differ_nowhere():
    large, photo = noise(40, 60), noise(10, 15)
    detail = map_detail(large, large, photo)
    assert detail.difference.shape == detail.deviation.shape == (10, 15)
    assert detail.difference.max() == 0
    assert detail.deviation.max() > 10


def test_difference_is_pooled_over_the_pixels_of_the_photo():
    result = np.full((48, 80, 3), 100, "uint8")
    other = result.copy()
    # Two of the 4 x 4 x 3 levels of one pixel.
    other[20:22, 41, 1] += 60
    photo = np.full((12, 20, 3), 100, "uint8")
    detail = map_detail(result, other, photo)
    expected = np.zeros((12, 20))
    expected[3:8, 8:13] = np.sqrt(2 * 60**2 / 48) / 25
    np.testing.assert_allclose(detail.difference, expected, atol=1e-5)


def test_levels_are_those_of_255_in_any_depth():
    result, other, photo = noise(24, 40), noise(24, 40, seed=1), noise(6, 10)
    expected = map_detail(result, other, photo)
    deep = [a.astype("uint16") * 257 for a in (result, other, photo)]
    for a, b in zip(expected, map_detail(*deep), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    images = map(Image.fromarray, (result, other, photo))
    for a, b in zip(expected, map_detail(*images), strict=True):
        np.testing.assert_array_equal(a, b)


def test_invisible_pixels_do_not_count():
    result, photo = noise(24, 40, 4), noise(6, 10, 4)
    other = 255 - result
    other[..., 3] = result[..., 3]
    photo[..., 3] = 0
    detail = map_detail(result, other, photo)
    assert detail.difference.max() == detail.deviation.max() == 0


def test_tall_photos_are_processed_in_bands():
    result, other = noise(600, 8, 1), noise(600, 8, 1, seed=1)
    detail = map_detail(result, other, noise(300, 4, 1))
    blocks = np.square(result[..., 0].astype(float) - other[..., 0])
    pooled = np.sqrt(blocks.reshape(300, 2, 4, 2).mean(axis=(1, 3)))
    padded = np.pad(pooled, 2, "edge")
    np.testing.assert_allclose(
        detail.difference[150, 1], padded[150:155, 1:6].mean(), rtol=1e-5
    )


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="`other` must have the shape"):
        map_detail(noise(40, 60), noise(40, 56), noise(10, 15))
    with pytest.raises(ValueError, match="`large` must have the channels"):
        map_detail(noise(40, 62), noise(40, 62), noise(10, 15))


# === Words ===


@pytest.mark.parametrize(
    "rows, columns, words",
    [
        (slice(25, 30), slice(0, 5), "on 2.0 % of the area, most of it in the "
         "lower left."),
        (slice(11, 19), slice(15, 27), "most of it in the middle."),
        (slice(0, 5), slice(0, 42), "most of it in the upper half."),
        (slice(0, 30), slice(30, 42), "most of it in the right half."),
        (slice(0, 30), slice(0, 42), "on 100 % of the area, spread over the "
         "picture."),
        (slice(0), slice(0), "on no part of the picture."),
    ],
)  # fmt: skip
def test_words(rows, columns, words):
    assert words in describe_detail(make_map(rows=rows, columns=columns))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (3, 1)])
def test_words_for_tiny_photos(size):
    detail = make_map(*size, slice(0, 1), slice(0, 1))
    assert "of the area" in describe_detail(detail)


def test_words_name_the_largest_deviation():
    detail = make_map()
    detail.deviation[20, 30] = 12.34
    assert "at most 12.3 levels, at (30, 20)" in describe_detail(detail)


# === Page ===


class Page(html.parser.HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def make_page(path, mode="RGB", name="photo.png", size=(15, 10)):
    photo = Image.fromarray(noise(size[1], size[0])).convert(mode)
    result = photo.resize([4 * side for side in photo.size])
    detail = make_map(size[1], size[0], slice(0, 5), slice(0, 5))
    write_page(
        path, photo, result, detail, name=name, model="vivid", other="faithful"
    )
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "F"])
def test_the_page_needs_no_network(tmp_path, mode):
    text = make_page(tmp_path / "page.html", mode)
    page = Page(text)
    assert os.listdir(tmp_path) == ["page.html"]
    sources = [a["src"] for _, a in page.tags if "src" in a]
    assert len(sources) == 4
    assert all(source.startswith("data:image/") for source in sources)
    assert not re.search(r"https?://", text)
    # Each picture has a text, and each input a label.
    assert all(a["alt"] for tag, a in page.tags if tag == "img")
    tags = [tag for tag, _ in page.tags]
    assert tags.count("input") == tags.count("label") == 4
    assert "of the area, most of it in the upper left" in page.text
    assert "60 × 40 pixels, by vivid." in page.text


def test_names_are_escaped(tmp_path):
    name = "<script>alert(1)</script> & $name.png"
    text = make_page(tmp_path / "page.html", name=name)
    assert "<script>alert" not in text
    assert name in Page(text).text


def test_large_results_are_shown_reduced(tmp_path):
    text = make_page(tmp_path / "page.html", size=(600, 400))
    assert "The page shows it at 1600 × 1067." in Page(text).text
    assert len(text) < 3e6


# === Command ===


@pytest.fixture
def upscale(tmp_path, monkeypatch, capsys):
    """Runs the command in a folder with two presets, which are a pair."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, partner in ("smooth", "vivid"), ("sharp", "faithful"):
        generator = Generator(
            num_blocks=1, filters=4, upsampling="pixel_shuffle_direct"
        )
        generator.set_weights(
            [
                w + rng.normal(0, 0.02, w.shape).astype("float32")
                for w in generator.get_weights()
            ]
        )
        other = str(tmp_path / ("sharp" if name == "smooth" else "smooth"))
        save_preset(
            generator,
            name,
            description="tiny",
            version="1",
            partners={partner: other},
        )
    Image.fromarray(noise(10, 15)).save("photo.png")

    def run(*arguments, model="sharp"):
        arguments = ["upscale", *map(str, arguments), "--report"]
        status = main([*arguments, "--model", str(tmp_path / model)])
        return status, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    "options, names",
    [
        ([], ["sharp", "smooth"]),
        (["--detail", 0.5], ["sharp with detail 0.5", "smooth"]),
        (["--detail", 0], ["sharp with detail 0", "sharp"]),
        (["--consistent", "--allow-deviation"], ["sharp", "smooth"]),
        (["--scale", 2], ["sharp", "smooth"]),
    ],
)
def test_a_report_is_written_beside_the_result(upscale, options, names):
    status, out, err = upscale("photo.png", "-o", "out", *options)
    assert (status, err) == (0, "")
    assert sorted(os.listdir("out")) == ["photo.png", "photo.png.html"]
    text = Page(Path("out/photo.png.html").read_text(encoding="utf-8")).text
    assert f"by {os.path.join(os.getcwd(), names[0])}" in text
    assert f"Other network{os.path.join(os.getcwd(), names[1])}" in text
    lines = out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("out/photo.png.html: The two networks differ by")


def test_the_faithful_result_is_compared_with_the_vivid(upscale):
    assert upscale("photo.png", "-o", "out", model="smooth")[0] == 0
    text = Page(Path("out/photo.png.html").read_text(encoding="utf-8")).text
    assert f"Other network{os.path.join(os.getcwd(), 'sharp')}" in text


def test_a_model_without_a_partner_is_refused(upscale):
    Generator(num_blocks=1, filters=4).save("mine.keras")
    before = sorted(os.listdir())
    status, out, err = upscale("photo.png", model="mine.keras")
    assert (status, out) == (2, "")
    assert "--report: " in err and "mine.keras" in err
    assert sorted(os.listdir()) == before


def test_a_page_of_the_users_is_not_replaced_unasked(upscale):
    report = Path("photo-x4.png.html")
    report.write_text("mine")
    status, _, err = upscale("photo.png")
    assert status == 1 and "--overwrite" in err
    assert "photo-x4.png" not in os.listdir()
    assert report.read_text() == "mine"
    assert upscale("photo.png", "--overwrite")[0] == 0
    assert "differ" in report.read_text(encoding="utf-8")


# === Browser ===


def test_the_page_in_a_browser(tmp_path):
    api = pytest.importorskip("playwright.sync_api")
    make_page(tmp_path / "page.html")
    with api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
        except api.Error as error:
            pytest.skip(f"NO PAGE TESTED: no Chromium is found: {error}")
        page = browser.new_page()
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto((tmp_path / "page.html").as_uri())
        assert page.is_hidden("#difference") and page.is_hidden("#deviation")
        page.check("input[value=difference]")
        assert page.is_visible("#difference")
        box = page.locator("#pictures").bounding_box()
        for part in 0.25, 0.8:
            page.locator("#cut").fill(f"{100 * part:.0f}")
            line = page.locator("#line").bounding_box()
            assert abs(line["x"] - box["x"] - part * box["width"]) < 3
        page.check("input[value='']")
        assert page.is_hidden("#difference")
        browser.close()
        assert problems == []
