import pathlib

import pytest

from keras_srgan import recipe
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
        ({"photos": "a", "precision": "half"}, "`precision` .*'half'"),
        ({"photos": "a", "average": 1}, "`average` must be in"),
        ({"photos": "a", "held_out": 0}, "`held_out` must be at least 1"),
        ({"photos": "a", "vgg_weights": "no.h5"}, "`vgg_weights` .*no.h5"),
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
