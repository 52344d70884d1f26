"""Convert a published PyTorch checkpoint and verify the result.

    python recipes/convert_srgan_checkpoints.py netG_epoch_4_100.pth srgan_x4
    python recipes/convert_srgan_checkpoints.py MSRGAN_x4.pth msrgan_x4.keras

Reads checkpoints of leftthomas/SRGAN, BasicSR (MSRResNet and MSRGAN) and
mmagic (SRResNet and SRGAN). The network of each project is defined here in
PyTorch. The result is only written if the Keras model gives the same output,
before and after it is saved and loaded. This comparison needs double
precision, so the backend must be TensorFlow or PyTorch, not JAX.

Writes a preset if the output is a folder. An MSRResNet cannot be a preset, so
its output must be a `.keras` file. Document the license and the training data
in the preset's README.md before you publish it with
`keras_srgan.hub.upload_preset`.
"""

import argparse
import pathlib
import tempfile

import keras
import numpy as np
import torch
from torch import nn

from keras_srgan import MSRResNet
from keras_srgan import load_generator
from keras_srgan.files import replacing
from keras_srgan.preset import save_preset
from keras_srgan.torch_checkpoint import import_torch_checkpoint
from keras_srgan.torch_checkpoint import read_state_dicts

# Largest difference between the two networks, in levels of 255.
TOLERANCE = 1e-3
# Presets have half-precision weights: a rounded level may change by one.
ROUNDING_TOLERANCE = 1


# === Networks in PyTorch ===


def conv(inputs, outputs, size=3):
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


class NormalizedBlock(nn.Module):
    """Residual block of leftthomas/SRGAN."""

    def __init__(self, filters):
        super().__init__()
        self.conv1 = conv(filters, filters)
        self.bn1 = nn.BatchNorm2d(filters)
        self.prelu = nn.PReLU()
        self.conv2 = conv(filters, filters)
        self.bn2 = nn.BatchNorm2d(filters)

    def forward(self, x):
        y = self.prelu(self.bn1(self.conv1(x)))
        return x + self.bn2(self.conv2(y))


class Doubling(nn.Module):
    """Upsampling layers of leftthomas/SRGAN."""

    def __init__(self, filters):
        super().__init__()
        self.conv = conv(filters, 4 * filters)
        self.prelu = nn.PReLU()

    def forward(self, x):
        return self.prelu(nn.functional.pixel_shuffle(self.conv(x), 2))


class LeftthomasGenerator(nn.Module):
    """Generator of leftthomas/SRGAN: RGB in [0, 1] to RGB in [0, 1].

    Later versions have batch normalization instead of the PReLU after the
    blocks.
    """

    def __init__(self, scale=4, filters=64, use_end_prelu=True):
        super().__init__()
        self.block1 = nn.Sequential(conv(3, filters, 9), nn.PReLU())
        for i in range(2, 7):
            self.add_module(f"block{i}", NormalizedBlock(filters))
        end = nn.PReLU() if use_end_prelu else nn.BatchNorm2d(filters)
        self.block7 = nn.Sequential(conv(filters, filters), end)
        doublings = [Doubling(filters) for _ in range(scale.bit_length() - 1)]
        self.block8 = nn.Sequential(*doublings, conv(filters, 3, 9))

    def forward(self, x):
        x = start = self.block1(x)
        for i in range(2, 8):
            x = self.get_submodule(f"block{i}")(x)
        return (torch.tanh(self.block8(start + x)) + 1) / 2

    @classmethod
    def from_state(cls, state):
        doublings = sum(key.endswith(".conv.weight") for key in state)
        original = cls(
            scale=2**doublings,
            filters=len(state["block1.0.weight"]),
            use_end_prelu="block7.1.running_mean" not in state,
        )
        original.load_state_dict(state)
        return original


class PlainBlock(nn.Module):
    """Residual block of BasicSR and mmagic."""

    def __init__(self, filters):
        super().__init__()
        self.conv1 = conv(filters, filters)
        self.conv2 = conv(filters, filters)

    def forward(self, x):
        return x + self.conv2(torch.relu(self.conv1(x)))


class ModifiedSRResNet(nn.Module):
    """MSRResNet of BasicSR or mmagic: RGB in [0, 1] to RGB in [0, 1].

    mmagic has no activation after the pixel shuffles. The keys are BasicSR's.
    """

    # Keys of BasicSR in 2019 and of mmagic.
    RENAMED = {
        "recon_trunk.": "body.",
        "HRconv.": "conv_hr.",
        "trunk_net.": "body.",
        "upsample1.upsample_conv.": "upconv1.",
        "upsample2.upsample_conv.": "upconv2.",
    }

    def __init__(self, scale=4, num_blocks=16, filters=64, is_mmagic=False):
        super().__init__()
        self.scale = scale
        self.factor = factor = 2 if scale == 4 else scale
        self.is_mmagic = is_mmagic
        self.conv_first = conv(3, filters)
        self.body = nn.Sequential(
            *(PlainBlock(filters) for _ in range(num_blocks))
        )
        self.upconv1 = conv(filters, factor**2 * filters)
        if scale == 4:
            self.upconv2 = conv(filters, factor**2 * filters)
        self.conv_hr = conv(filters, filters)
        self.conv_last = conv(filters, 3)

    def forward(self, photo):
        def leaky_relu(x):
            return nn.functional.leaky_relu(x, 0.1)

        x = self.body(leaky_relu(self.conv_first(photo)))
        for layer in ("upconv1", "upconv2")[: 1 + (self.scale == 4)]:
            x = self.get_submodule(layer)(x)
            x = nn.functional.pixel_shuffle(x, self.factor)
            x = x if self.is_mmagic else leaky_relu(x)
        x = self.conv_last(leaky_relu(self.conv_hr(x)))
        large = nn.functional.interpolate(
            photo, scale_factor=self.scale, mode="bilinear", align_corners=False
        )
        return (x + large).clip(0, 1)

    @classmethod
    def from_state(cls, state):
        is_mmagic = "trunk_net.0.conv1.weight" in state
        for old, new in cls.RENAMED.items():
            state = {k.replace(old, new): state[k] for k in state}
        filters = len(state["conv_first.weight"])
        factor = round((len(state["upconv1.weight"]) / filters) ** 0.5)
        original = cls(
            scale=4 if "upconv2.weight" in state else factor,
            num_blocks=sum(key.endswith(".conv1.weight") for key in state),
            filters=filters,
            is_mmagic=is_mmagic,
        )
        original.load_state_dict(state)
        return original


# First key of each kind of network, without the prefix that some files have.
FIRST_KEYS = {
    "block1.0.weight": LeftthomasGenerator,
    "conv_first.weight": ModifiedSRResNet,
}


def load_original(checkpoint):
    """Returns the PyTorch network whose weights a file contains."""
    for _, state in read_state_dicts(checkpoint):
        for first, network in FIRST_KEYS.items():
            for prefix in (
                key.removesuffix(first) for key in state if key.endswith(first)
            ):
                state = {
                    key.removeprefix(prefix): state[key].float()
                    for key in state
                    if key.startswith(prefix)
                }
                return network.from_state(state).eval()
    raise SystemExit(
        f"{checkpoint} must hold a network of leftthomas/SRGAN, BasicSR or "
        "mmagic: `keras-srgan import-torch` reads others, without comparing "
        "the networks."
    )


# === Comparison ===


def predict_original(original, photo):
    """Returns the output of a PyTorch network, as levels in [0, 255]."""
    x = torch.from_numpy(photo / 255).permute(0, 3, 1, 2)
    with torch.no_grad():
        return 255 * original.double()(x).permute(0, 2, 3, 1).numpy()


def check(network, expected, photo, tolerance, name):
    """Prints the largest difference in levels; exits above the tolerance."""
    # Rounding in single precision alone may cause 0.01 levels.
    double = type(network).from_config(
        {**network.get_config(), "dtype": "float64"}
    )
    double.set_weights(network.get_weights())
    output = double.predict(photo, verbose=0)
    if tolerance >= 1:
        output, expected = np.rint(output), np.rint(expected)
    difference = float(np.abs(output - expected).max())
    print(f"{name.rstrip(',')}: largest difference {difference:.6f} of 255")
    # NaN is rejected, too.
    if not difference <= tolerance:
        raise SystemExit(
            f"{name} must differ from the original by at most {tolerance} "
            f"level{'s' * (tolerance != 1)}. Nothing was written. "
            f"Received: {difference:.6f}"
        )


# === Conversion ===


def save(network, output, description):
    if output.suffix == ".keras":
        with replacing(output) as partial:
            network.save(partial)
    else:
        save_preset(network, output, description=description, version="1")


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("checkpoint", metavar="FILE", type=pathlib.Path)
    add(
        "output",
        metavar="OUT",
        type=pathlib.Path,
        help="the folder of a preset, or a .keras file",
    )
    options = parser.parse_args(arguments)
    checkpoint, output = options.checkpoint, options.output

    if keras.backend.backend() == "jax":
        raise SystemExit(
            "The backend must have double precision: set KERAS_BACKEND=torch. "
            "Received: jax"
        )
    original = load_original(checkpoint)
    network = import_torch_checkpoint(checkpoint)
    if isinstance(network, MSRResNet) and output.suffix != ".keras":
        raise SystemExit(
            "The output must end in .keras, because an MSRResNet cannot be a "
            f"preset. Received: {output}"
        )
    photo = np.random.default_rng(0).integers(0, 256, (1, 24, 32, 3), "uint8")
    expected = predict_original(original, photo)
    check(network, expected, photo, TOLERANCE, "The converted network")

    description = f"converted from {checkpoint.name}"
    with tempfile.TemporaryDirectory() as folder:
        trial = pathlib.Path(folder, output.name)
        save(network, trial, description)
        if output.suffix == ".keras":
            tolerance, name = TOLERANCE, "The saved model"
        else:
            tolerance = ROUNDING_TOLERANCE
            name = "The preset, in half precision,"
        check(load_generator(trial), expected, photo, tolerance, name)
    save(network, output, description)
    print(f"{checkpoint} -> {output}")


if __name__ == "__main__":
    main()
