import keras
import numpy as np
import pytest


@pytest.fixture
def case():
    """Returns keras-hub's own test case."""
    pytest.importorskip("keras_hub", reason="`pip install keras-hub`")
    pytest.importorskip("grain", reason="`pip install grain`")
    from keras_hub.src.tests.test_case import TestCase

    data_format = keras.config.image_data_format()
    case = TestCase("session")
    case.setUp()
    yield case
    case.tearDown()
    keras.config.set_image_data_format(data_format)


@pytest.fixture
def levels():
    """Returns a function that makes random photos of a shape."""
    rng = np.random.default_rng(0)
    return lambda *shape: rng.integers(0, 256, shape, "uint8")
