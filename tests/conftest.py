import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Most tests compile the same few tiny steps: let JAX find them again.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR",
    os.path.join(tempfile.gettempdir(), "keras_srgan_tests_jax_cache"),
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# PyTorch's threads spin while they wait: on a busy machine, for ever.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from installed import BACKENDS  # noqa: E402

from keras_srgan import SRGAN  # noqa: E402
from keras_srgan import Discriminator  # noqa: E402
from keras_srgan import Generator  # noqa: E402


def pytest_collection_modifyitems(items):
    """Skips tests marked `once`, except on the last installed backend."""
    if keras.backend.backend() == BACKENDS[-1]:
        return
    skip = pytest.mark.skip(reason=f"runs once, on {BACKENDS[-1]}")
    for item in items:
        if item.get_closest_marker("once"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def photos():
    """Eight smooth photos: random colors, enlarged."""
    rng = np.random.default_rng(0)
    colors = rng.uniform(0, 255, (8, 4, 4, 3)).astype("float32")
    large = keras.ops.image.resize(colors, (32, 32), "bicubic")
    return np.clip(keras.ops.convert_to_numpy(large), 0, 255).astype("uint8")


@pytest.fixture
def make_srgan():
    """Builds a tiny SRGAN; arguments go to `compile`, MSE by default."""

    def make(*optimizers, dtype=None, augmentation=None, **arguments):
        srgan = SRGAN(
            Generator(num_blocks=1, filters=4, dtype=dtype),
            Discriminator(filters=2, dtype=dtype),
            augmentation=augmentation,
        )
        srgan.compile(*optimizers, **{"content_loss": "mse", **arguments})
        return srgan

    return make
