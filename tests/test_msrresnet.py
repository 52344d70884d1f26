"""MSRResNet of BasicSR and mmagic: each network written here in PyTorch."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import MSRResNet
from keras_srgan import upscale
from keras_srgan.receptive_field import receptive_field
from keras_srgan.torch_checkpoint import import_torch_checkpoint

torch = pytest.importorskip("torch")
nn = torch.nn

# Names of the parts: residual blocks, upsampling layers, first head layer.
NAMES = {
    "basicsr": ("body", ["upconv1", "upconv2"], "conv_hr"),
    "basicsr 2019": ("recon_trunk", ["upconv1", "upconv2"], "HRconv"),
    "mmagic": (
        "trunk_net",
        ["upsample1.upsample_conv", "upsample2.upsample_conv"],
        "conv_hr",
    ),
}


class Original(nn.Module):
    """Computes from a flat dict of layers, named as each project does."""

    def __init__(self, family, scale=4, blocks=2, filters=4):
        super().__init__()
        torch.manual_seed(0)
        self.family, self.scale, self.blocks = family, scale, blocks
        self.trunk, ups, self.head = NAMES[family]
        self.factors = [2, 2] if scale == 4 else [scale]
        self.ups = ups[: len(self.factors)]
        self.layers = {}

        def conv(name, inputs, outputs):
            self.layers[name] = nn.Conv2d(inputs, outputs, 3, padding=1)

        conv("conv_first", 3, filters)
        for i in range(blocks):
            conv(f"{self.trunk}.{i}.conv1", filters, filters)
            conv(f"{self.trunk}.{i}.conv2", filters, filters)
        for name, factor in zip(self.ups, self.factors, strict=True):
            conv(name, filters, filters * factor**2)
        conv(self.head, filters, filters)
        conv("conv_last", filters, 3)

    def state(self, prefix=""):
        return {
            f"{prefix}{name}.{part}": getattr(layer, part).detach()
            for name, layer in self.layers.items()
            for part in ("weight", "bias")
        }

    def forward(self, photo):
        def leaky_relu(x):
            return nn.functional.leaky_relu(x, 0.1)

        x = leaky_relu(self.layers["conv_first"](photo))
        for i in range(self.blocks):
            y = self.layers[f"{self.trunk}.{i}.conv1"](x)
            x = x + self.layers[f"{self.trunk}.{i}.conv2"](torch.relu(y))
        for name, factor in zip(self.ups, self.factors, strict=True):
            x = nn.functional.pixel_shuffle(self.layers[name](x), factor)
            x = x if self.family == "mmagic" else leaky_relu(x)
        x = self.layers["conv_last"](leaky_relu(self.layers[self.head](x)))
        return x + nn.functional.interpolate(
            photo,
            scale_factor=self.scale,
            mode="bilinear",
            align_corners=False,
        )


def levels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")


def run(original, photo):
    x = torch.tensor(photo.transpose(0, 3, 1, 2) / 255, dtype=torch.float32)
    with torch.no_grad():
        y = original(x).numpy()
    return 255 * y.clip(0, 1).transpose(0, 2, 3, 1)


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_equals_the_original(family, scale, tmp_path):
    original = Original(family, scale)
    content = {
        "basicsr": lambda: {"params": original.state()},
        "basicsr 2019": original.state,
        "mmagic": lambda: {
            "state_dict": {
                **original.state("generator."),
                "discriminator.conv.weight": torch.zeros(1, 1, 3, 3),
                "step_counter": torch.tensor(3),
            },
            "meta": {"loss": np.float64(0.5)},
        },
    }[family]()
    torch.save(content, tmp_path / "net.pth")
    network = import_torch_checkpoint(tmp_path / "net.pth")
    assert type(network) is MSRResNet
    assert (network.scale, network.num_blocks) == (scale, 2)
    photo = levels(2, 9, 7, 3)
    expected = run(original, photo)
    assert expected.std() > 10
    output = network.predict(photo, verbose=0)
    np.testing.assert_allclose(output, expected, atol=1e-2)


@pytest.mark.parametrize("family", NAMES)
def test_safetensors_are_read(family, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    original = Original(family)
    safetensors.save_file(original.state(), tmp_path / "net.safetensors")
    network = import_torch_checkpoint(tmp_path / "net.safetensors")
    photo = levels(1, 9, 7, 3)
    np.testing.assert_allclose(
        network.predict(photo, verbose=0), run(original, photo), atol=1e-2
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_weights_of_any_precision_are_read(dtype, tmp_path):
    original = Original("basicsr")
    state = {
        key: nn.Parameter(tensor.to(dtype))
        for key, tensor in original.state().items()
    }
    torch.save({"params_ema": state}, tmp_path / "net.pth")
    network = import_torch_checkpoint(tmp_path / "net.pth")
    photo = levels(1, 9, 7, 3)
    error = network.predict(photo, verbose=0) - run(original, photo)
    assert np.abs(error).mean() < 0.5


def test_safetensors_of_other_networks_are_refused(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    file = tmp_path / "net.safetensors"
    safetensors.save_file({"start.0.weight": torch.ones(4, 3, 9, 9)}, file)
    with pytest.raises(ValueError, match="order, which .safetensors files"):
        import_torch_checkpoint(file)
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(ValueError, match="damaged"):
        import_torch_checkpoint(file)
    with pytest.raises(OSError, match="missing.safetensors"):
        import_torch_checkpoint(tmp_path / "missing.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("conv_hr.bias"), "Missing: conv_hr.bias"),
        (
            lambda s: s.update({"extra.weight": torch.ones(1)}),
            "Unexpected: extra.weight",
        ),
        (
            lambda s: s.update({"conv_last.weight": torch.ones(3, 4, 9, 9)}),
            "conv_last.weight must be of shape",
        ),
    ],
)
def test_other_architectures_are_refused(change, message, tmp_path):
    state = Original("basicsr").state()
    change(state)
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=message):
        import_torch_checkpoint(tmp_path / "net.pth")


def test_the_ranges_of_an_msrresnet_are_known(tmp_path):
    torch.save(Original("basicsr").state(), tmp_path / "net.pth")
    with pytest.raises(ValueError, match="must be the defaults"):
        import_torch_checkpoint(tmp_path / "net.pth", mean=0.5, std=0.5)


def test_tiles_make_no_difference():
    network = MSRResNet(num_blocks=1, filters=4)
    photo = levels(30, 26, 3)
    field = receptive_field(network)
    assert field.scale == 4
    whole = network.predict(photo[None], verbose=0)[0]
    tiled = upscale(network, photo, tile_size=8)
    np.testing.assert_allclose(tiled.astype(float), whole, atol=0.51)


def test_it_is_saved_trained_and_used_by_the_commands(tmp_path, photos):
    network = MSRResNet(num_blocks=1, filters=4)
    srgan = SRGAN(network, Discriminator(filters=2))
    srgan.compile(content_loss="mse")
    before = network.get_weights()[0]
    srgan.fit(photos, verbose=0)
    assert (network.get_weights()[0] != before).any()
    network.save(tmp_path / "net.keras")
    photo = levels(6, 5, 3)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    command = "upscale photo.png --model net.keras"
    subprocess.run(
        [sys.executable, "-m", "keras_srgan.cli", *command.split()],
        cwd=tmp_path,
        check=True,
    )
    with Image.open(tmp_path / "photo-x4.png") as large:
        np.testing.assert_allclose(
            np.asarray(large).astype(int), upscale(network, photo), atol=1
        )


def test_bad_arguments():
    with pytest.raises(ValueError, match="`scale` must be.*scale=8"):
        MSRResNet(scale=8)


@pytest.mark.parametrize("policy", ["mixed_bfloat16"])
def test_the_output_is_float32(policy):
    output = MSRResNet(num_blocks=1, filters=4, dtype=policy)(
        levels(1, 4, 4, 3)
    )
    assert keras.backend.standardize_dtype(output.dtype) == "float32"
