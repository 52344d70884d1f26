"""Converting published checkpoints, here with random weights."""

import pathlib
import runpy
import types

import keras
import numpy as np
import pytest

from keras_srgan import load_generator
from keras_srgan.preset import FILES
from keras_srgan.torch_checkpoint import import_torch_checkpoint

torch = pytest.importorskip("torch")

RECIPES = pathlib.Path(__file__).parents[1] / "recipes"
script = types.SimpleNamespace(
    **runpy.run_path(str(RECIPES / "convert_srgan_checkpoints.py"))
)
PHOTO = np.random.default_rng(1).integers(0, 256, (1, 9, 7, 3), "uint8")

BASICSR_2019 = {"body.": "recon_trunk.", "conv_hr.": "HRconv."}
MMAGIC = {
    "body.": "trunk_net.",
    "upconv1.": "upsample1.upsample_conv.",
    "upconv2.": "upsample2.upsample_conv.",
}


def rename(state, names, prefix=""):
    for old, new in names.items():
        state = {key.replace(old, new): state[key] for key in state}
    return {prefix + key: state[key] for key in state}


# Each project's network, what it saves, and the suffix of the file.
FAMILIES = {
    "leftthomas": (
        lambda: script.LeftthomasGenerator(filters=4),
        lambda state: state,
        ".pth",
    ),
    "leftthomas, batch normalization at the end": (
        lambda: script.LeftthomasGenerator(2, 4, use_end_prelu=False),
        lambda state: state,
        ".pth",
    ),
    "basicsr": (
        lambda: script.ModifiedSRResNet(4, 2, 4),
        lambda state: {"params": state},
        ".pth",
    ),
    "basicsr safetensors": (
        lambda: script.ModifiedSRResNet(3, 2, 4),
        lambda state: state,
        ".safetensors",
    ),
    "basicsr 2019": (
        lambda: script.ModifiedSRResNet(2, 2, 4),
        lambda state: rename(state, BASICSR_2019),
        ".pth",
    ),
    "mmagic srresnet": (
        lambda: script.ModifiedSRResNet(4, 2, 4, is_mmagic=True),
        lambda state: {"state_dict": rename(state, MMAGIC, "generator.")},
        ".pth",
    ),
    "mmagic srgan": (
        lambda: script.ModifiedSRResNet(4, 2, 4, is_mmagic=True),
        lambda state: {
            "state_dict": {
                **rename(state, MMAGIC, "generator."),
                "discriminator.conv.weight": torch.zeros(4, 3, 3, 3),
            }
        },
        ".pth",
    ),
}


needs_double = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="JAX computes in single precision"
)


@pytest.fixture(params=FAMILIES)
def published(request, tmp_path):
    """Returns a network in PyTorch, its file, and the path to write to."""
    make, wrap, suffix = FAMILIES[request.param]
    torch.manual_seed(0)
    original = make().eval()
    for module in original.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.1, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
        elif isinstance(module, torch.nn.PReLU):
            module.weight.data.uniform_(-0.5, 0.5)
    checkpoint = tmp_path / f"net{suffix}"
    content = wrap(original.state_dict())
    if suffix == ".safetensors":
        pytest.importorskip("safetensors.torch").save_file(content, checkpoint)
    else:
        torch.save(content, checkpoint)
    can_be_preset = isinstance(original, script.LeftthomasGenerator)
    output = tmp_path / ("out" if can_be_preset else "out.keras")
    return original, checkpoint, output


@needs_double
def test_the_right_weights_pass(published, capsys):
    original, checkpoint, output = published
    script.main([str(checkpoint), str(output)])
    assert capsys.readouterr().out.count("largest difference") == 2
    if output.is_dir():
        assert {file.name for file in output.iterdir()} == set(FILES)
        assert "converted from net.pth" in (output / "README.md").read_text()
    expected = script.predict_original(original, PHOTO)
    assert expected.std() > 5
    np.testing.assert_allclose(
        load_generator(output).predict(PHOTO, verbose=0), expected, atol=1
    )


@pytest.mark.once
@needs_double
def test_wrong_weights_are_refused(published, monkeypatch):
    """In any layer. Nothing is written."""
    original, checkpoint, output = published
    network = import_torch_checkpoint(checkpoint)
    weights = network.get_weights()
    expected = script.predict_original(original, PHOTO)
    arguments = expected, PHOTO, script.TOLERANCE, "The network"
    script.check(network, *arguments)
    for i in range(len(weights)):
        network.set_weights(
            [weight + 0.05 * (j == i) for j, weight in enumerate(weights)]
        )
        with pytest.raises(SystemExit, match=r"at most 0.001 levels.*Received"):
            script.check(network, *arguments)
    # The last of these, in the whole script.
    monkeypatch.setitem(
        script.main.__globals__, "import_torch_checkpoint", lambda _: network
    )
    with pytest.raises(SystemExit, match="The converted network must differ"):
        script.main([str(checkpoint), str(output)])
    assert not output.exists()


@needs_double
def test_a_saved_model_that_differs_is_refused(tmp_path, monkeypatch):
    torch.manual_seed(0)
    original = script.LeftthomasGenerator(filters=4)
    torch.save(original.state_dict(), tmp_path / "net.pth")

    def load(path):
        network = load_generator(path)
        network.set_weights([1.1 * w for w in network.get_weights()])
        return network

    monkeypatch.setitem(script.main.__globals__, "load_generator", load)
    with pytest.raises(
        SystemExit, match="in half precision, must differ.*1 level. "
    ):
        script.main([str(tmp_path / "net.pth"), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@needs_double
def test_an_msrresnet_cannot_be_a_preset(tmp_path):
    state = script.ModifiedSRResNet(4, 1, 4).state_dict()
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(SystemExit, match="must end in .keras.*Received"):
        script.main([str(tmp_path / "net.pth"), str(tmp_path / "out")])
    assert [file.name for file in tmp_path.iterdir()] == ["net.pth"]


@needs_double
def test_the_network_of_another_project_is_refused(tmp_path):
    torch.save({"start.0.weight": torch.zeros(4, 3, 9, 9)}, tmp_path / "a.pth")
    with pytest.raises(SystemExit, match="a.pth must hold.*import-torch"):
        script.main([str(tmp_path / "a.pth"), str(tmp_path / "out")])


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only on JAX")
def test_jax_is_refused():
    with pytest.raises(SystemExit, match="KERAS_BACKEND=torch.*Received: jax"):
        script.main(["net.pth", "out"])
