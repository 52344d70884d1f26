"""The task of keras-hub: its own tests, and equality with `Generator`."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("keras_hub", reason="`pip install keras-srgan[hub]`")

from keras_srgan import SRGAN  # noqa: E402
from keras_srgan import Discriminator  # noqa: E402
from keras_srgan import Generator  # noqa: E402
from keras_srgan import presets  # noqa: E402
from keras_srgan import upscale  # noqa: E402
from keras_srgan.cli import main  # noqa: E402
from keras_srgan.export import BACKENDS  # noqa: E402
from keras_srgan.hub import ImageUpscaler  # noqa: E402
from keras_srgan.hub import SRGANBackbone  # noqa: E402
from keras_srgan.hub import SRGANImageConverter  # noqa: E402
from keras_srgan.hub import SRGANImageUpscaler  # noqa: E402
from keras_srgan.hub import SRGANImageUpscalerPreprocessor  # noqa: E402
from keras_srgan.hub.image_upscaler import PeakSignalToNoiseRatio  # noqa: E402
from keras_srgan.preset import save_preset  # noqa: E402

TINY = {"num_blocks": 1, "filters": 4}
ALL = {
    "scale": 2,
    "use_batch_norm": True,
    "use_bias": True,
    "use_end_prelu": True,
    "input_mean": [114.444, 111.4605, 103.02],
    "output_activation": "hard_tanh",
    **TINY,
}
COMPACT = {
    "upsampling": "pixel_shuffle_direct",
    "input_mean": [1.0, 2.0, 3.0],
    **TINY,
}
each_architecture = pytest.mark.parametrize(
    "arguments", [TINY, ALL, COMPACT], ids=["default", "all", "compact"]
)


def make_generator(arguments, dtype="float32"):
    """Returns a generator whose weights are random, also those of norms."""
    generator = Generator(**arguments, dtype=dtype)
    rng = np.random.default_rng(1)
    generator.set_weights(
        [
            rng.uniform(0.5, 2, weight.shape)
            if "variance" in weight.path
            else rng.normal(0, 0.1, weight.shape)
            for weight in generator.weights
        ]
    )
    return generator


def make_task(upsampling="pixel_shuffle"):
    return {
        "backbone": SRGANBackbone(num_blocks=1, num_filters=4),
        "preprocessor": SRGANImageUpscalerPreprocessor(
            SRGANImageConverter(), upscale_factor=2
        ),
        "upscale_factor": 2,
        "upsampling": upsampling,
    }


# Warnings of Keras about every task of keras-hub: its `fit` shuffles by itself,
# and a task that is loaded is not compiled as before.
ignore_warnings = pytest.mark.filterwarnings(
    "ignore:.shuffle=True. was passed:UserWarning",
    "ignore:.compile... was not called:UserWarning",
)


# === keras-hub's tests ===


@ignore_warnings
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "upsampling", ["pixel_shuffle", "pixel_shuffle_direct"]
)
def test_task_basics(case, levels, upsampling):
    case.run_task_test(
        SRGANImageUpscaler,
        make_task(upsampling),
        (levels(2, 9, 7, 3), levels(2, 18, 14, 3)),
        expected_output_shape=(2, 18, 14, 3),
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@ignore_warnings
def test_saved_model(case, levels):
    case.run_model_saving_test(
        SRGANImageUpscaler, make_task(), levels(2, 9, 7, 3) / 127.5 - 1
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", presets())
def test_all_presets(case, name):
    case.run_preset_test(
        SRGANImageUpscaler,
        name,
        np.zeros((1, 8, 8, 3), "float32"),
        expected_output_shape=(1, 32, 32, 3),
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_litert_export(case, levels):
    """Skipped where keras-hub's exporter does not work."""
    case.run_litert_export_test(
        cls=SRGANImageUpscaler,
        init_kwargs=make_task(),
        input_data=(levels(1, 16, 16, 3) / 127.5 - 1).astype("float32"),
        expected_output_shape=(1, 32, 32, 3),
        comparison_mode="statistical",
        output_thresholds={"*": {"max": 0.1, "mean": 0.01}},
    )


# === The same pictures ===


@pytest.mark.parametrize("name", ["srgan_x4", "srresnet_x4"])
@pytest.mark.parametrize("cls", [SRGANImageUpscaler, ImageUpscaler])
def test_a_preset_gives_the_picture_of_the_generator(cls, name, levels):
    photos = levels(2, 12, 9, 3)
    task = cls.from_preset(name)
    assert type(task) is SRGANImageUpscaler
    np.testing.assert_allclose(
        task.predict(photos, verbose=0),
        Generator.from_preset(name).predict(photos, verbose=0),
        atol=0.01,
    )


@each_architecture
def test_a_generator_becomes_a_task_and_comes_back(arguments, levels):
    photos = levels(2, 9, 7, 3)
    generator = make_generator(arguments)
    expected = generator.predict(photos, verbose=0)
    assert expected.std() > 1
    task = SRGANImageUpscaler.from_generator(generator)
    np.testing.assert_allclose(
        task.predict(photos, verbose=0), expected, atol=0.01
    )
    back = task.to_generator()
    assert type(back) is Generator
    np.testing.assert_array_equal(back.predict(photos, verbose=0), expected)
    for config in back.get_config(), generator.get_config():
        config.pop("name")
        assert config.items() >= arguments.items()


@each_architecture
def test_both_libraries_read_the_folder_of_either(arguments, tmp_path, levels):
    photos = levels(2, 9, 7, 3)
    generator = make_generator(arguments)
    # Numbers that half precision holds.
    generator.set_weights(
        [w.astype("float16") for w in generator.get_weights()]
    )
    expected = generator.predict(photos, verbose=0)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    save_preset(generator, ours, description="tiny", version="1")
    SRGANImageUpscaler.from_generator(generator).save_to_preset(str(theirs))
    for folder in ours, theirs:
        task = SRGANImageUpscaler.from_preset(str(folder))
        np.testing.assert_allclose(
            task.predict(photos, verbose=0), expected, atol=0.01
        )
        plain = Generator.from_preset(folder)
        np.testing.assert_array_equal(
            plain.predict(photos, verbose=0), expected
        )

    def describe(folder, name):
        """Returns the parts of a file that both libraries write."""
        config = json.loads((folder / name).read_text())
        return config["registered_name"], config["module"], config["config"]

    for name in "config.json", "task.json", "preprocessor.json":
        name_ours, module_ours, config_ours = describe(ours, name)
        name_theirs, module_theirs, config_theirs = describe(theirs, name)
        assert name_ours == name_theirs
        assert module_ours == module_theirs
        assert config_ours.keys() <= config_theirs.keys()


@pytest.mark.skipif(
    keras.backend.backend() not in BACKENDS["onnx"],
    reason="JAX writes no ONNX",
)
@pytest.mark.parametrize("writer", ["keras_srgan", "keras_hub"])
@pytest.mark.parametrize(
    "source",
    ["srgan_x4_small", ALL, COMPACT],
    ids=["shipped", "all", "compact"],
)
def test_keras_keras_hub_and_the_web_page_agree(
    source, writer, tmp_path, levels
):
    """One folder, read by `Generator` and keras-hub, and exported to ONNX."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    folder = tmp_path / "preset"
    generator = (
        Generator.from_preset(source)
        if isinstance(source, str)
        else make_generator(source)
    )
    if writer == "keras_srgan":
        save_preset(generator, folder, description="tiny", version="1")
    else:
        task = SRGANImageUpscaler.from_generator(generator)
        task.save_to_preset(str(folder))

    photos = levels(1, 12, 9, 3)
    alone = Generator.from_preset(folder).predict(photos, verbose=0)
    assert alone.std() > 1
    task = SRGANImageUpscaler.from_preset(str(folder))
    # The command with which the web page's network is made.
    main(["export", str(folder), "-o", str(tmp_path / "model.onnx")])
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    (web,) = session.run(["large"], {"photo": photos})
    alone = np.rint(alone)
    hub = np.rint(task.predict(photos, verbose=0))
    np.testing.assert_allclose(hub, alone, atol=1)
    np.testing.assert_allclose(np.rint(web), alone, atol=1)


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="TensorFlow has no channels-first convolution on the CPU",
)
@each_architecture
def test_a_preset_loads_in_channels_first(arguments, tmp_path, levels):
    photos = levels(2, 9, 7, 3)
    generator = make_generator(arguments)
    save_preset(generator, tmp_path / "p", description="tiny", version="1")
    expected = Generator.from_preset(tmp_path / "p").predict(photos, verbose=0)
    keras.config.set_image_data_format("channels_first")
    try:
        task = SRGANImageUpscaler.from_preset(str(tmp_path / "p"))
        output = task.predict(photos.transpose(0, 3, 1, 2), verbose=0)
    finally:
        keras.config.set_image_data_format("channels_last")
    np.testing.assert_allclose(
        output.transpose(0, 2, 3, 1), expected, atol=0.01
    )


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "bfloat16"])
def test_a_preset_in_reduced_precision(dtype, levels):
    photos = levels(1, 9, 7, 3)
    task = SRGANImageUpscaler.from_preset("srgan_x4", dtype=dtype)
    assert task.backbone.dtype_policy.name == dtype
    output = task.predict(photos, verbose=0)
    assert output.dtype == "float32"
    expected = Generator.from_preset("srgan_x4").predict(photos, verbose=0)
    assert np.abs(output - expected).mean() < 2


@pytest.mark.parametrize("function", [upscale, "export"])
def test_our_functions_take_a_task(function, levels, tmp_path):
    generator = make_generator(TINY)
    task = SRGANImageUpscaler.from_generator(generator)
    if function is upscale:
        photo = levels(30, 20, 3)
        np.testing.assert_array_equal(
            upscale(task, photo), upscale(generator, photo)
        )
    else:
        torch = keras.backend.backend() == "torch"
        path = tmp_path / ("model.pt2" if torch else "model")
        from keras_srgan.export import export

        export(task, path)
        assert path.exists()


# === Training ===


@ignore_warnings
def test_fit_learns(photos):
    keras.utils.set_random_seed(0)
    y = photos.astype("float32")
    x = y[:, ::2, ::2]
    task = SRGANImageUpscaler(**make_task("pixel_shuffle_direct"))
    task.compile(keras.optimizers.Adam(1e-3))
    history = task.fit(x, y, batch_size=4, epochs=8, verbose=0).history
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    assert history["psnr"][-1] > history["psnr"][0]


def test_the_generator_of_a_task_is_trained_against_a_discriminator(photos):
    task = SRGANImageUpscaler.from_generator(make_generator(TINY))
    srgan = SRGAN(task.to_generator(), Discriminator(filters=2))
    srgan.compile(content_loss="mse")
    before = srgan.generator.get_weights()[0]
    srgan.fit(photos, verbose=0)
    assert (srgan.generator.get_weights()[0] != before).any()
    assert SRGANImageUpscaler.from_generator(srgan.generator).scale == 4


def test_psnr_is_the_mean_of_that_of_each_image():
    y_true = np.zeros((2, 4, 4, 3), "uint8")
    y_pred = np.stack([np.full((4, 4, 3), 25.5), np.full((4, 4, 3), 2.55)])
    metric = PeakSignalToNoiseRatio()
    assert float(metric(y_true, y_pred)) == pytest.approx(30, abs=1e-3)
    assert np.isfinite(float(PeakSignalToNoiseRatio()(y_true, y_true)))


# === Errors ===


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("upscale_factor", 3),
        ("upsampling", "nearest"),
        ("output_activation", "linear"),
    ],
)
def test_bad_arguments(name, value):
    with pytest.raises(
        ValueError, match=f"`{name}` must be .*{name}={value!r}"
    ):
        SRGANImageUpscaler(**{**make_task(), name: value})


def test_the_factor_of_the_preprocessor_must_be_that_of_the_model():
    with pytest.raises(ValueError, match="`preprocessor` must have.*4.*: 2"):
        SRGANImageUpscaler(**{**make_task(), "upscale_factor": 4})


def test_a_generator_needs_the_levels_of_the_converter():
    task = SRGANImageUpscaler(**{**make_task(), "preprocessor": None})
    with pytest.raises(ValueError, match="needs the image converter"):
        task.to_generator()
    other = SRGANImageConverter(scale=(1 / 255,) * 3)
    preprocessor = SRGANImageUpscalerPreprocessor(other, upscale_factor=2)
    task = SRGANImageUpscaler(**{**make_task(), "preprocessor": preprocessor})
    with pytest.raises(ValueError, match="`scale` of the image converter"):
        task.to_generator()


# === Imports and commands ===


@pytest.mark.once
def test_the_command_takes_a_saved_task(tmp_path, levels):
    """In a process that has not imported its class."""
    task = SRGANImageUpscaler.from_generator(make_generator(TINY))
    task.save(tmp_path / "task.keras")
    Image.fromarray(levels(6, 5, 3)).save(tmp_path / "photo.png")
    command = "upscale photo.png --model task.keras"
    subprocess.run(
        [sys.executable, "-m", "keras_srgan.cli", *command.split()],
        cwd=tmp_path,
        check=True,
    )
    with Image.open(tmp_path / "photo-x4.png") as large:
        assert large.size == (20, 24)


def test_keras_hub_is_imported_on_demand_only():
    code = (
        "import sys, keras_srgan; assert 'keras_hub' not in sys.modules;"
        "sys.modules['keras_hub'] = None; import keras_srgan.hub"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert "ImportError: `keras_srgan.hub` needs keras-hub" in result.stderr
    assert "keras-srgan[hub]" in result.stderr
