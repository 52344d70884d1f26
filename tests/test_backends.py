import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from installed import BACKENDS
from steps import OPTIONS
from steps import make_srgan

HERE = pathlib.Path(__file__).parent
OTHERS = [b for b in BACKENDS if b != keras.backend.backend()]


def run(backend, *command):
    """Run Python in a process on another backend; return what it prints."""
    environment = {**os.environ, "KERAS_BACKEND": backend}
    result = subprocess.run(
        [sys.executable, *map(str, command)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.once
def test_steps_agree_on_all_backends(tmp_path):
    """Ten steps with the losses of the reference, and with each new option."""
    rng = np.random.default_rng(0)
    start = {
        f"weight_{i}": weight
        for i, weight in enumerate(make_srgan().get_weights())
    }
    colors = rng.uniform(0, 255, (40, 8, 8, 3)).astype("float32")
    photos = keras.ops.image.resize(colors, (32, 32), "bicubic")
    photos = keras.ops.convert_to_numpy(photos)
    start["photos"] = np.clip(photos, 0, 255).astype("uint8")
    np.savez(tmp_path / "start.npz", **start)
    # Random kernels that keep the size of the features through 16 layers.
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    vgg.set_weights([w * 2**0.5 for w in vgg.get_weights()])
    vgg.save_weights(tmp_path / "vgg.weights.h5")

    ends = {}
    for backend in BACKENDS:
        out = tmp_path / f"{backend}.npz"
        run(
            backend,
            HERE / "steps.py",
            tmp_path / "start.npz",
            tmp_path / "vgg.weights.h5",
            out,
        )
        ends[backend] = np.load(out)

    def weights(ends, setting):
        names = [name for name in ends if name.startswith(f"{setting} ")]
        assert names, setting
        return np.concatenate([ends[name].ravel() for name in names])

    flat = [w.ravel() for name, w in start.items() if name != "photos"]
    flat = np.concatenate(flat)
    starts = {
        **dict.fromkeys(("sgd vgg", "sgd mse", "adam vgg", "adam mse"), flat),
        **{
            setting: weights(ends["jax"], f"before {setting}")
            for setting in OPTIONS
        },
    }
    print("\nrelative difference to JAX after the steps, ||a - b|| / ||b||")
    for setting, flat in starts.items():
        expected = weights(ends["jax"], setting)
        norm = np.linalg.norm(expected)
        # Vectors of power iterations come after the trainable weights.
        moved = np.linalg.norm(expected[: len(flat)] - flat) / norm
        for backend in ("tensorflow", "torch"):
            other = weights(ends[backend], setting)
            difference = np.linalg.norm(other - expected) / norm
            print(f"{setting:20} {backend:10} {difference:.1e} of {moved:.1e}")
            # Below 1e-4 in most runs. A unit that rounding puts on the other
            # side of its kink makes a jump, which no tolerance of rounding
            # covers; a wrong equation is off by 100 times more.
            assert difference < min(5e-4, moved / 10), (setting, backend)


PREDICT_AND_GO_ON = """
import sys
import keras
import numpy as np
import keras_srgan

folder = sys.argv[1]
data = np.load(f"{folder}/data.npz")
srgan = keras.saving.load_model(f"{folder}/srgan.keras")
before = [np.array(v.numpy()) for v in srgan.optimizer.variables]
predicted = srgan.predict(data["lr"], verbose=0)
srgan.fit(data["photos"], batch_size=4, shuffle=False, verbose=0)
after = [np.array(v.numpy()) for v in srgan.trainable_variables]
np.savez(
    f"{folder}/{keras.backend.backend()}.npz",
    predicted=predicted,
    **{f"optimizer_{i}": v for i, v in enumerate(before)},
    **{f"weight_{i}": v for i, v in enumerate(after)},
)
"""


def test_a_model_goes_on_training_on_another_backend(photos, tmp_path):
    srgan = make_srgan()
    srgan.compile(content_loss="mse")
    arguments = {"batch_size": 4, "shuffle": False, "verbose": 0}
    srgan.fit(photos, epochs=3, **arguments)
    srgan.save(tmp_path / "srgan.keras")
    optimizer = [np.array(v.numpy()) for v in srgan.optimizer.variables]
    lr = photos[:, ::4, ::4]
    np.savez(tmp_path / "data.npz", photos=photos, lr=lr)
    predicted = srgan.predict(lr, verbose=0)
    srgan.fit(photos, **arguments)
    weights = [np.array(v.numpy()) for v in srgan.trainable_variables]
    assert optimizer[0] == 6

    for backend in OTHERS:
        run(backend, "-c", PREDICT_AND_GO_ON, tmp_path)
        other = np.load(tmp_path / f"{backend}.npz")
        np.testing.assert_allclose(
            other["predicted"], predicted, atol=1e-4 * 255
        )
        for i, value in enumerate(optimizer):
            np.testing.assert_array_equal(other[f"optimizer_{i}"], value)
        for i, value in enumerate(weights):
            np.testing.assert_allclose(
                other[f"weight_{i}"], value, atol=2e-5, err_msg=backend
            )


IMPORTED = """
import json
import sys
import keras_srgan
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_importing_is_light():
    """Neither keras-hub, nor a second backend, nor what only some need."""
    backend = keras.backend.backend()
    keras_alone = json.loads(
        run(backend, "-c", IMPORTED.replace("keras_srgan", "keras"))
    )
    imported = json.loads(run(backend, "-c", IMPORTED))
    added = set(imported) - set(keras_alone)
    assert not added & {"keras_hub", "matplotlib", "skimage", "scipy", *OTHERS}


TRAIN = """
import numpy as np
from keras_srgan import SRGAN, Discriminator, Generator
photos = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), "uint8")
srgan = SRGAN(Generator(num_blocks=0, filters=2), Discriminator(filters=1))
srgan.compile(content_loss="mse")
print(srgan.fit(photos, verbose=0).history["loss"][0] > 0)
"""


@pytest.mark.once
def test_training_works_where_jax_enables_float64(monkeypatch):
    if "jax" not in BACKENDS:
        pytest.skip("jax is not installed")
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    assert run("jax", "-c", TRAIN).strip() == "True"
