import sys
import types

import keras
import numpy as np
import pytest

from keras_srgan import VGGContentLoss
from keras_srgan import perceptual
from keras_srgan.perceptual import VGGDistances


@pytest.fixture(scope="module")
def distances():
    return VGGDistances(weights=None)


def noise(height, width, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, 3), "uint8")


def test_equal_photos_have_no_distance(distances):
    photo = noise(33, 40)
    assert distances(photo, photo) == {"vgg54": 0, "layered": 0}


def test_vgg54_is_the_content_loss(distances):
    loss = VGGContentLoss(weights=None)
    loss.build()
    for variable, value in zip(
        loss.variables, distances._vgg.variables, strict=True
    ):
        variable.assign(value)
    one, other = noise(48, 56), noise(48, 56, seed=1)
    value = distances(one, other)["vgg54"]
    expected = float(loss(one[None], other[None]))
    assert value == pytest.approx(expected, rel=1e-4) and value > 0


def test_layered_follows_its_definition(distances):
    one, other = noise(48, 56), noise(48, 56, seed=1)
    outputs = {}
    for name, photo in ("one", one), ("other", other):
        outputs[name] = [
            keras.ops.convert_to_numpy(features)[0].astype("float64")
            for features in distances._vgg(photo[None]).values()
        ]
    shapes = [features.shape for features in outputs["one"]]
    assert shapes == [
        (48, 56, 64),
        (24, 28, 128),
        (12, 14, 256),
        (6, 7, 512),
        (3, 3, 512),
    ]
    expected = 0
    for a, b in zip(outputs["one"], outputs["other"], strict=True):
        assert a.min() == 0  # after activation
        a = a / np.linalg.norm(a, axis=-1, keepdims=True)
        b = b / np.linalg.norm(b, axis=-1, keepdims=True)
        expected += ((a - b) ** 2).sum(-1).mean()
    value = distances(one, other)["layered"]
    assert value == pytest.approx(expected, rel=1e-4) and value > 0


@pytest.mark.once
def test_windows_do_not_change_the_result(distances, monkeypatch):
    # 22 whole blocks of 16 pixels and 9 pixels more: two windows.
    one, other = noise(361, 43), noise(361, 43, seed=1)
    whole = distances(one, other)
    monkeypatch.setattr(perceptual, "TILE_SIZE", 64)
    assert len(list(perceptual._windows(one.shape[:2]))) == 2
    tiled = distances(one, other)
    for name in whole:
        assert tiled[name] == pytest.approx(whole[name], rel=1e-5)
    # A halo that is too small changes it.
    monkeypatch.setattr(perceptual, "HALO", 16)
    assert distances(one, other)["layered"] != pytest.approx(
        whole["layered"], rel=1e-5
    )


@pytest.mark.parametrize("size", [(16, 700), (655, 641), (1300, 2000)])
def test_windows_cover_each_position_once(size):
    for i, stride in enumerate(perceptual.LAYERS.values()):
        count = np.zeros([side // stride for side in size])
        total = 0
        for window, crops in perceptual._windows(size):
            crop, weight = crops[i]
            total += weight
            position = tuple(
                slice(
                    pixels.start // stride + part.start,
                    pixels.start // stride + part.stop,
                )
                for pixels, part in zip(window, crop, strict=True)
            )
            count[position] += 1
            # The largest window bounds the memory.
            assert all(side.stop - side.start < 656 for side in window)
        assert (count == 1).all()
        assert total == pytest.approx(1)


@pytest.mark.once
def test_only_the_center_is_compared(distances):
    one, other = noise(64, 40), noise(64, 40, seed=1)
    center = VGGDistances(weights=None, crop=32)
    center._vgg = distances._vgg
    expected = distances(one[16:48, 4:36], other[16:48, 4:36])
    assert center(one, other) == expected
    # A smaller photo is compared as a whole.
    assert center(one[:20], other[:20]) == distances(
        one[:20, 4:36], other[:20, 4:36]
    )
    with pytest.raises(ValueError, match="`crop` must be.*Received: crop=15"):
        VGGDistances(weights=None, crop=15)


@pytest.mark.parametrize(
    "shapes", [((8, 40, 3), (8, 40, 3)), ((32, 32, 3), (32, 48, 3))]
)
def test_photos_that_do_not_fit(distances, shapes):
    with pytest.raises(ValueError, match="at least 16 pixels.*Received"):
        distances(*(np.zeros(shape, "uint8") for shape in shapes))


def test_missing_weights_are_named():
    with pytest.raises(FileNotFoundError, match="none.h5"):
        VGGDistances("none.h5")


def test_the_old_name_still_works():
    with pytest.warns(DeprecationWarning, match="VGGDistances"):
        distance = perceptual.VGGDistance(weights=None, layer="block1_conv2")
    assert distance(noise(16, 16), noise(16, 16)) == 0
    assert distance(noise(16, 16), noise(16, 16, seed=1)) > 0


# === pyiqa ===


def test_pyiqa_that_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(ImportError, match=r"keras-srgan\[perceptual\]"):
        perceptual.pyiqa_metric("lpips")


def test_pyiqa_judges_sr_by_hr(monkeypatch):
    # A stand-in, since the package is large and downloads its weights.
    class Brighter:
        def __call__(self, target, ref):
            return np.mean(np.asarray(target)) - np.mean(np.asarray(ref))

    def create_metric(name):
        if name == "away":
            raise OSError("no route to host")
        return Brighter()

    package = types.SimpleNamespace(
        list_models=lambda: ["away", "brighter"], create_metric=create_metric
    )
    monkeypatch.setitem(sys.modules, "pyiqa", package)
    metric = perceptual.pyiqa_metric("brighter")
    photo = noise(8, 8) // 2
    assert metric(photo, photo + 9) == pytest.approx(9)
    with pytest.raises(ValueError, match="Received: name='darker'"):
        perceptual.pyiqa_metric("darker")
    with pytest.raises(OSError, match="'away'.*no route"):
        perceptual.pyiqa_metric("away")
