import keras
import numpy as np
import pytest

pytest.importorskip("keras_hub", reason="`pip install keras-srgan[hub]`")

import keras_hub  # noqa: E402

from keras_srgan.hub import SRGANImageConverter  # noqa: E402


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("image_size", [None, (8, 6)])
def test_layer_basics(case, image_size):
    case.run_preprocessing_layer_test(
        SRGANImageConverter,
        {"image_size": image_size},
        np.ones((2, 9, 7, 3), "float32"),
    )


def test_levels_become_network_inputs():
    photo = np.array([0, 127.5, 255]).reshape(1, 1, 3, 1).repeat(3, -1)
    converted = keras.ops.convert_to_numpy(SRGANImageConverter()(photo))
    np.testing.assert_allclose(converted[0, 0, :, 1], [-1, 0, 1], atol=1e-6)


@pytest.mark.parametrize(
    "cls", [SRGANImageConverter, keras_hub.layers.ImageConverter]
)
def test_the_preset_has_one(cls, levels):
    converter = cls.from_preset("srgan_x4")
    assert type(converter) is SRGANImageConverter
    converted = keras.ops.convert_to_numpy(converter(levels(2, 9, 7, 3)))
    assert converted.shape == (2, 9, 7, 3)
    assert -1 <= converted.min() < -0.9 < 0.9 < converted.max() <= 1


def test_photos_are_never_cropped():
    # A line at the right border stays there.
    photo = np.zeros((1, 8, 32, 3), "float32")
    photo[:, :, -2:] = 255
    small = SRGANImageConverter(image_size=(8, 8))(photo)
    assert keras.ops.convert_to_numpy(small)[0, 4, -1].min() > -0.5
    with pytest.raises(ValueError, match="`crop_to_aspect_ratio` must be"):
        SRGANImageConverter(crop_to_aspect_ratio=True)
