"""The baseline of the benchmarks: the same GAN in plain PyTorch.

The networks, losses and updates are those of `keras_srgan`, in idiomatic
PyTorch. It does less work: it flips and downscales a batch, but does not
augment colors or compute metrics.
"""

import torch
from torch import nn
from torch.nn import functional


def conv(inputs, outputs, size=3, stride=1, bias=True):
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=bias)


class Block(nn.Module):
    def __init__(self, filters):
        super().__init__()
        self.steps = nn.Sequential(
            conv(filters, filters, bias=False),
            nn.PReLU(filters, 0.0),
            conv(filters, filters, bias=False),
        )

    def forward(self, x):
        return x + self.steps(x)


class Generator(nn.Module):
    def __init__(self, blocks=16, filters=64):
        super().__init__()
        self.start = nn.Sequential(conv(3, filters, 9), nn.PReLU(filters, 0.0))
        self.trunk = nn.Sequential(
            *[Block(filters) for _ in range(blocks)], conv(filters, filters)
        )
        self.head = nn.Sequential(
            conv(filters, 4 * filters),
            nn.PixelShuffle(2),
            nn.PReLU(filters, 0.0),
            conv(filters, 4 * filters),
            nn.PixelShuffle(2),
            nn.PReLU(filters, 0.0),
            conv(filters, 3, 9),
            nn.Tanh(),
        )

    def forward(self, x):
        x = self.start(x)
        return self.head(x + self.trunk(x))


class Discriminator(nn.Sequential):
    def __init__(self, filters=64):
        steps = []
        channels = 3
        for width in (1, 2, 4, 8):
            for stride in (1, 2):
                steps += [
                    conv(channels, width * filters, 3, stride),
                    nn.LeakyReLU(0.2),
                ]
                channels = width * filters
        super().__init__(
            *steps,
            conv(channels, 1024, 1),
            nn.LeakyReLU(0.2),
            conv(1024, 1, 1),
        )


class VGG(nn.Sequential):
    """VGG19 up to the activation of block5_conv4."""

    def __init__(self):
        steps = []
        channels = 3
        for width, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
            if steps:
                steps.append(nn.MaxPool2d(2))
            for _ in range(count):
                steps += [conv(channels, width), nn.ReLU()]
                channels = width
        super().__init__(*steps)
        self.requires_grad_(False)
        mean = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
        self.register_buffer("mean", mean)

    def forward(self, images):
        bgr = (images + 1) * 127.5
        return super().forward(bgr.flip(1) - self.mean) / 12.75


class SRGAN:
    """The networks and their training step.

    Args:
        device: String, `"cpu"` or `"cuda"`.
        dtype: `torch.dtype`, the compute dtype of the networks.
        channels_last: Boolean. Whether networks and images are in
            channels-last memory format. Defaults to `False`.
        compiled: Boolean. Whether to use `torch.compile`. Defaults to
            `False`.
    """

    def __init__(self, device, dtype, channels_last=False, compiled=False):
        layout = (
            torch.channels_last if channels_last else torch.contiguous_format
        )
        torch.backends.cudnn.benchmark = True
        self.device = device
        self.dtype = dtype
        self.layout = layout
        networks = [Generator(), Discriminator(), VGG()]
        networks = [
            network.to(device).to(memory_format=layout) for network in networks
        ]
        self.optimizers = [
            torch.optim.Adam(network.parameters(), 1e-4)
            for network in networks[:2]
        ]
        if compiled:
            networks = [torch.compile(network) for network in networks]
        self.generator, self.discriminator, self.vgg = networks

    def step(self, photos):
        """Updates generator and discriminator.

        Args:
            photos: uint8 array of shape `(batch, height, width, 3)`.
        """
        hr = torch.from_numpy(photos).to(self.device, non_blocking=True)
        hr = hr.permute(0, 3, 1, 2).float()
        if torch.rand(()) < 0.5:
            hr = hr.flip(3)
        lr = functional.interpolate(
            hr, scale_factor=0.25, mode="bicubic", antialias=True
        )
        lr = lr.round().clamp(0, 255) / 127.5 - 1
        hr = (hr / 127.5 - 1).contiguous(memory_format=self.layout)
        lr = lr.contiguous(memory_format=self.layout)
        with torch.autocast(
            self.device, self.dtype, enabled=self.dtype != torch.float32
        ):
            sr = self.generator(lr)
            with torch.no_grad():
                target = self.vgg(hr)
            content = functional.mse_loss(self.vgg(sr).float(), target.float())
            fake = self.discriminator(sr)
            generator_loss = (
                content + 1e-3 * functional.softplus(-fake.float()).mean()
            )
            for parameter in self.discriminator.parameters():
                parameter.requires_grad_(False)
            self.optimizers[0].zero_grad()
        generator_loss.backward()
        with torch.autocast(
            self.device, self.dtype, enabled=self.dtype != torch.float32
        ):
            for parameter in self.discriminator.parameters():
                parameter.requires_grad_(True)
            real = self.discriminator(hr)
            fake = self.discriminator(sr.detach())
            discriminator_loss = (
                functional.softplus(-real.float()).mean()
                + functional.softplus(fake.float()).mean()
            )
            self.optimizers[1].zero_grad()
        discriminator_loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
        return generator_loss.detach(), discriminator_loss.detach()
