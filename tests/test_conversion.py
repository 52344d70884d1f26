"""Converting published checkpoints, here with random weights."""

import pathlib
import runpy
import types

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


@pytest.fixture(params=FAMILIES)
def original(request):
    """Returns a network in PyTorch, with random weights."""
    torch.manual_seed(0)
    network = FAMILIES[request.param][0]().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.1, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
        elif isinstance(module, torch.nn.PReLU):
            module.weight.data.uniform_(-0.5, 0.5)
    return network


@pytest.fixture
def checkpoint(original, request, tmp_path):
    """Returns the file that the project would have written."""
    (family,) = (
        name
        for name in FAMILIES
        if name in request.node.callspec.params.values()
    )
    _, wrap, suffix = FAMILIES[family]
    file = tmp_path / f"net{suffix}"
    content = wrap(original.state_dict())
    if suffix == ".safetensors":
        pytest.importorskip("safetensors.torch").save_file(content, file)
    else:
        torch.save(content, file)
    return file


def output_of(original, tmp_path):
    """Returns the path of a preset, or of a file if it cannot be one."""
    modified = isinstance(original, script.ModifiedSRResNet)
    return tmp_path / ("out.keras" if modified else "out")


def test_the_right_weights_pass(original, checkpoint, tmp_path, capsys):
    output = output_of(original, tmp_path)
    script.main([str(checkpoint), str(output)])
    printed = capsys.readouterr().out
    assert printed.count("the largest difference is") == 2
    if output.suffix != ".keras":
        assert {file.name for file in output.iterdir()} == set(FILES)
        assert "converted from net.pth" in (output / "README.md").read_text()
    network = load_generator(output)
    expected = script.predict_original(original, PHOTO)
    assert expected.std() > 5
    np.testing.assert_allclose(
        network.predict(PHOTO, verbose=0), expected, atol=1
    )


def test_wrong_weights_are_refused(original, checkpoint, tmp_path, monkeypatch):
    """In any layer. Nothing is written."""
    network = import_torch_checkpoint(checkpoint)
    weights = network.get_weights()
    expected = script.predict_original(original, PHOTO)
    arguments = expected, PHOTO, script.TOLERANCE, "The network"
    script.check(network, *arguments)
    for i in range(len(weights)):
        wrong = [weight + 0.05 * (j == i) for j, weight in enumerate(weights)]
        network.set_weights(wrong)
        with pytest.raises(SystemExit, match=r"at most 0.001 levels.*Received"):
            script.check(network, *arguments)
    # The last of these.
    monkeypatch.setitem(
        script.main.__globals__, "import_torch_checkpoint", lambda _: network
    )
    output = output_of(original, tmp_path)
    with pytest.raises(SystemExit, match="The converted network must differ"):
        script.main([str(checkpoint), str(output)])
    assert not output.exists()


def test_a_saved_model_that_differs_is_refused(tmp_path, monkeypatch):
    torch.manual_seed(0)
    original = script.LeftthomasGenerator(filters=4)
    torch.save(original.state_dict(), tmp_path / "net.pth")

    def load(path):
        network = load_generator(path)
        network.set_weights([1.1 * w for w in network.get_weights()])
        return network

    monkeypatch.setitem(script.main.__globals__, "load_generator", load)
    with pytest.raises(SystemExit, match="The saved one must differ"):
        script.main([str(tmp_path / "net.pth"), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_an_msrresnet_cannot_be_a_preset(tmp_path):
    state = script.ModifiedSRResNet(4, 1, 4).state_dict()
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(SystemExit, match="must end in .keras.*Received"):
        script.main([str(tmp_path / "net.pth"), str(tmp_path / "out")])
    assert [file.name for file in tmp_path.iterdir()] == ["net.pth"]


def test_the_network_of_another_project_is_refused(tmp_path):
    torch.save({"start.0.weight": torch.zeros(4, 3, 9, 9)}, tmp_path / "a.pth")
    with pytest.raises(SystemExit, match="a.pth must hold.*import-torch"):
        script.main([str(tmp_path / "a.pth"), str(tmp_path / "out")])
