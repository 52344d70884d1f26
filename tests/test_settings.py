import pathlib

import keras
import numpy as np
import pytest

from keras_srgan import Discriminator
from keras_srgan import UNetDiscriminator
from keras_srgan import recipe
from keras_srgan.degradations import Degradation
from keras_srgan.degradations import GaussianBlur
from keras_srgan.degradations import JPEGCompression
from keras_srgan.degradations import SensorNoise
from keras_srgan.settings import Settings
from keras_srgan.settings import read_settings

RECIPES = pathlib.Path(__file__).parents[1] / "recipes"


def test_settings_survive_their_file(tmp_path):
    settings = Settings(
        photos=["a.png", 'b "quoted".png'],
        stage="gan",
        generator={"num_blocks": 2, "upsampling": "pixel_shuffle_direct"},
        augmentation={},
        vgg={"layer": "block2_conv2"},
        degradation={"strength": 0.5, "factors": [0.5, 1]},
        discriminator={"type": "unet", "filters": 2},
        learning_rate=2e-5,
    )
    settings.save(tmp_path / "settings.toml")
    assert Settings(**read_settings(tmp_path / "settings.toml")) == settings


def test_stages_have_their_own_defaults():
    one = Settings(photos="photos")
    two = Settings(photos="photos", stage="gan", pixel_weight=0.5)
    assert (one.content_loss, one.adversarial_weight) == ("mae", 0.0)
    assert (two.content_loss, two.adversarial_weight) == ("vgg", 1e-3)
    assert two.pixel_weight == 0.5
    assert two.discriminator_learning_rate == two.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Either `photos` or `pairs`"),
        ({"photos": "a", "pairs": ["b", "c"]}, "Either `photos` or `pairs`"),
        ({"pairs": ["b"]}, "`pairs` must be two folders"),
        ({"photos": "a", "batch_size": "8"}, "`batch_size` .*int.*='8'"),
        ({"photos": "a", "batch_size": True}, "`batch_size` .*int.*=True"),
        ({"photos": "a", "generator": 3}, "`generator` .*dict"),
        ({"photos": "a", "stage": "vae"}, "`stage` must be one of psnr, gan"),
        ({"photos": "a", "optimizer": "sgd"}, "`optimizer` .*'sgd'"),
        ({"photos": "a", "precision": "half"}, "`precision` .*'half'"),
        ({"photos": "a", "average": 1}, "`average` must be in"),
        ({"photos": "a", "held_out": 0}, "`held_out` must be at least 1"),
        ({"photos": "a", "vgg_weights": "no.h5"}, "`vgg_weights` .*no.h5"),
        ({"photos": "a", "degradation": 3}, "`degradation` .*str or dict.*=3"),
        (
            {"pairs": ["a", "b"], "degradation": "photos"},
            "`degradation` must be 'clean' with `pairs`.*'photos'",
        ),
        (
            {"photos": "a", "start": "srgan_x4", "generator": {"filters": 2}},
            "`generator` must be empty",
        ),
    ],
)
def test_bad_settings(given, message):
    with pytest.raises(ValueError, match=message):
        Settings(**given)


def test_bad_files(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("batchsize = 8\n")
    with pytest.raises(ValueError, match="settings.toml: .*batchsize=8"):
        read_settings(path)
    path.write_text("batch_size 8\n")
    with pytest.raises(ValueError, match="settings.toml is not a TOML file"):
        read_settings(path)


@pytest.mark.parametrize(
    "path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem
)
def test_recipes(path, tmp_path):
    settings = Settings(photos="photos", **read_settings(path))
    assert settings.stage == ("gan" if "srgan" in path.stem else "psnr")
    settings.save(tmp_path / "settings.toml")
    assert Settings(**read_settings(tmp_path / "settings.toml")) == settings
    settings.generator = {**settings.generator, "num_blocks": 1}
    srgan, _ = recipe.make_srgan(settings, tmp_path / "none")
    recipe.compile_srgan(srgan, settings)
    assert srgan.adversarial_weight == settings.adversarial_weight


@pytest.mark.parametrize(
    ("degradation", "steps"),
    [
        ("clean", None),
        ("jpeg:50", [Degradation, JPEGCompression]),
        ("noise:5+jpeg:75", [Degradation, SensorNoise, JPEGCompression]),
        ({"blur": 1, "strength": 0}, [GaussianBlur, Degradation]),
    ],
)
def test_degradations(degradation, steps):
    settings = Settings(photos="photos", degradation=degradation)
    layer = recipe.make_degradation(settings, 2)
    if steps:
        assert [type(step) for step in layer.degradations] == steps
    else:
        assert type(layer) is Degradation
    lr = layer(np.full((1, 32, 16, 3), 100, "uint8"))
    assert tuple(lr.shape) == (1, 16, 8, 3)


def test_training_draws_noise_from_the_seed_of_the_run():
    settings = Settings(photos="photos", degradation="noise:9")
    gray = np.full((1, 32, 32, 3), 128, "uint8")

    def draw(seed):
        keras.utils.set_random_seed(seed)
        layer = recipe.make_degradation(settings, 4)
        return keras.ops.convert_to_numpy(layer(gray))

    np.testing.assert_array_equal(draw(1), draw(1))
    assert np.any(draw(1) != draw(2))


@pytest.mark.parametrize(
    "degradation", ["jpg:50", "missing/folder", {"scales": 4}, {"blur": -1}]
)
def test_bad_degradations(degradation):
    settings = Settings(photos="photos", degradation=degradation)
    with pytest.raises(ValueError, match="`degradation` must be|`blur` must"):
        recipe.make_degradation(settings, 4)


def test_discriminators(tmp_path):
    def make(**discriminator):
        settings = Settings(
            photos="photos",
            generator={"num_blocks": 0, "filters": 2},
            discriminator=discriminator,
        )
        return recipe.make_srgan(settings, tmp_path / "none")[0].discriminator

    unet = make(type="unet", filters=3)
    assert isinstance(unet, UNetDiscriminator) and unet.filters == 3
    assert isinstance(make(type="patch", filters=2), Discriminator)
    assert isinstance(make(filters=2), Discriminator)
    with pytest.raises(ValueError, match="patch, unet.*'type': 'vit'"):
        make(type="vit")
    with pytest.raises(ValueError, match="`UNetDiscriminator`.*norm"):
        make(type="unet", use_batch_norm=True)
