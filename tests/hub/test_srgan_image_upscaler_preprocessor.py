import keras
import numpy as np
import pytest

pytest.importorskip("keras_hub", reason="`pip install keras-srgan[hub]`")

from keras_srgan.hub import ImageUpscalerPreprocessor  # noqa: E402
from keras_srgan.hub import SRGANImageConverter  # noqa: E402
from keras_srgan.hub import SRGANImageUpscalerPreprocessor  # noqa: E402


def make(image_size=None, upscale_factor=2):
    return SRGANImageUpscalerPreprocessor(
        SRGANImageConverter(image_size=image_size),
        upscale_factor=upscale_factor,
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("image_size", [None, (8, 6)])
def test_preprocessor_basics(case, image_size):
    case.run_preprocessing_layer_test(
        SRGANImageUpscalerPreprocessor,
        {
            "image_converter": SRGANImageConverter(image_size=image_size),
            "upscale_factor": 2,
        },
        (
            np.ones((2, 9, 7, 3), "float32"),
            np.ones((2, 18, 14, 3), "float32"),
        ),
    )


def test_the_targets_keep_their_levels(levels):
    x, y = levels(2, 4, 5, 3), levels(2, 8, 10, 3)
    inputs, targets = make()(x, y)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(inputs), x / 127.5 - 1, atol=1e-5
    )
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(targets), y)


def test_resized_pairs_stay_in_register():
    """An edge stays at the same place of both images."""
    y = np.zeros((1, 32, 32, 3), "float32")
    y[:, :, 16:] = 255
    x = y[:, ::2, ::2]
    x, y = map(keras.ops.convert_to_numpy, make(image_size=(8, 8))(x, y))
    assert (x.shape, y.shape) == ((1, 8, 8, 3), (1, 16, 16, 3))
    for image, low, high in (x, -1, 1), (y, 0, 255):
        middle = image.shape[2] // 2
        np.testing.assert_allclose(image[:, :, : middle - 2], low, atol=5)
        np.testing.assert_allclose(image[:, :, middle + 2 :], high, atol=5)


@pytest.mark.parametrize("shape", [(4, 5, 3), (2, 4, 5, 3)])
def test_pairs_of_another_factor_are_refused(levels, shape):
    *batch, height, width, channels = shape
    y = levels(*batch, height * 4, width * 4, channels)
    with pytest.raises(ValueError, match="`y` must be 2 times as large"):
        make()(levels(*shape), y)


def test_the_preset_has_one():
    for cls in (SRGANImageUpscalerPreprocessor, ImageUpscalerPreprocessor):
        preprocessor = cls.from_preset("srresnet_x4")
        assert type(preprocessor) is SRGANImageUpscalerPreprocessor
        assert type(preprocessor.image_converter) is SRGANImageConverter
        assert preprocessor.upscale_factor == 4
