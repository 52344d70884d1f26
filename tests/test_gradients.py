"""The default gradients against the same GAN written by hand in PyTorch."""

import keras
import numpy as np
import pytest

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import UNetDiscriminator
from keras_srgan import VGGContentLoss
from keras_srgan.vgg import LAYERS as VGG19_LAYERS

torch = pytest.importorskip("torch")
functional = torch.nn.functional


class Weights:
    """Hands out a model's weights, in order, as torch leaves."""

    def __init__(self, weights):
        self.leaves = [
            torch.tensor(np.array(w), requires_grad=True) for w in weights
        ]
        self.next = iter(self.leaves)

    def conv(self, x, size, bias=True):
        kernel = next(self.next).permute(3, 2, 0, 1)
        bias = next(self.next) if bias else None
        return functional.conv2d(x, kernel, bias, padding=size // 2)

    def prelu(self, x):
        slope = next(self.next).reshape(1, -1, 1, 1)
        return torch.where(x > 0, x, slope * x)


def shuffle(x):
    batch, channels, height, width = x.shape
    x = x.reshape(batch, 2, 2, channels // 4, height, width)
    x = x.permute(0, 3, 4, 1, 5, 2)
    return x.reshape(batch, channels // 4, 2 * height, 2 * width)


def generate(weights, lr, num_blocks):
    x = start = weights.prelu(weights.conv(lr, 9))
    for _ in range(num_blocks):
        y = weights.conv(x, 3, bias=False)
        # A block keeps its PReLU before its second convolution.
        x = x + weights.conv(weights.prelu(y), 3, bias=False)
    x = weights.conv(x, 3) + start
    for _ in range(2):
        x = weights.prelu(shuffle(weights.conv(x, 3)))
    return torch.tanh(weights.conv(x, 9))


class TorchDiscriminator(torch.nn.Module):
    """`Discriminator(spectral_normalization=...)` in PyTorch's own layers."""

    def __init__(self, model):
        super().__init__()
        self.convs = torch.nn.ModuleList(
            [torch_conv(layer) for layer in model.layers if layer.weights]
        )

    def forward(self, x):
        *convs, last = self.convs
        for conv in convs:
            x = functional.leaky_relu(apply_conv(conv, x), 0.2)
        return last(x)


class TorchUNet(TorchDiscriminator):
    """`UNetDiscriminator` in PyTorch's own layers."""

    def forward(self, x):
        def relu(conv, x):
            return functional.leaky_relu(apply_conv(conv, x), 0.2)

        def double(x):
            return functional.interpolate(
                x, scale_factor=2, mode="bilinear", align_corners=False
            )

        start, *downs, up_2, up_1, up_0, end_0, end_1, last = self.convs
        x0 = relu(start, x)
        x1 = relu(downs[0], x0)
        x2 = relu(downs[1], x1)
        x3 = relu(downs[2], x2)
        x = relu(up_2, double(x3)) + x2
        x = relu(up_1, double(x)) + x1
        x = relu(up_0, double(x)) + x0
        return apply_conv(last, relu(end_1, relu(end_0, x)))


def torch_conv(layer):
    """A convolution or dense layer of Keras as a `torch.nn.Conv2d`."""
    kernel = torch.tensor(np.array(layer.kernel.numpy()))
    if kernel.ndim == 2:
        kernel = kernel[None, None]
    height, width, channels, filters = kernel.shape
    conv = torch.nn.Conv2d(
        channels,
        filters,
        (height, width),
        stride=getattr(layer, "strides", 1),
        bias=layer.use_bias,
    )
    conv.weight.data = kernel.permute(3, 2, 0, 1)
    if layer.use_bias:
        conv.bias.data = torch.tensor(np.array(layer.bias.numpy()))
    if hasattr(layer, "left_vector"):
        conv = torch.nn.utils.spectral_norm(conv)
        vector = np.array(layer.left_vector.numpy())[:, 0]
        conv.weight_u.copy_(torch.tensor(vector))
    return conv


def apply_conv(conv, x):
    size, stride = conv.kernel_size[0], conv.stride[0]
    before = (size - stride) // 2  # "same" padding at an even size
    after = size - stride - before
    return conv(functional.pad(x, (before, after, before, after)))


def vgg_features(weights, x, convs):
    """`x` in [-1, 1]; `convs` convolutions, blocks of 2, 2, 4, 4, 4.

    Returns the outputs before and after activation, by layer.
    """
    mean = torch.tensor([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)
    x = (x.flip(1) + 1) * 127.5 - mean
    linear, activated = {}, {}
    for name in VGG19_LAYERS[:convs]:
        if name.endswith("conv1") and not name.startswith("block1"):
            x = functional.max_pool2d(x, 2)
        linear[name] = weights.conv(x, 3)
        x = activated[name] = functional.relu(linear[name])
    return linear, activated


def grid_loss(sr, hr):
    errors = functional.pixel_unshuffle((sr - hr) / 2, 4)
    means = functional.avg_pool2d(errors, 8, stride=4)
    # PyTorch's channels are colors, then positions.
    batch, _, height, width = means.shape
    means = means.reshape(batch, 3, 16, height, width)
    return (torch.sqrt(means.var(2, unbiased=False) + 1e-8) - 1e-4).mean()


def spectrum_loss(sr, hr):
    taper = torch.hann_window(16)
    taper = torch.outer(taper, taper)
    v, u = torch.meshgrid(torch.arange(-7, 9), torch.arange(9), indexing="ij")
    chosen = (u**2 + v**2 >= 4) & ((v >= 0) | ((u > 0) & (u < 8)))

    def log_amplitudes(images):
        red, green, blue = (127.5 * (images + 1)).unbind(1)
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        windows = luma.unfold(1, 16, 8).unfold(2, 16, 8) * taper
        spectra = torch.fft.fft2(windows)[..., v[chosen], u[chosen]]
        power = functional.avg_pool2d(
            spectra.abs().square().permute(0, 3, 1, 2), 3, stride=1
        )
        return torch.log(power + taper.square().sum()) / 2

    return functional.l1_loss(log_amplitudes(sr), log_amplitudes(hr))


def entropy(logits, real):
    target = torch.full_like(logits, float(real))
    return functional.binary_cross_entropy_with_logits(logits, target)


ADVERSARIAL = {
    "vanilla": (
        lambda real, fake: entropy(fake, True),
        lambda real, fake: entropy(real, True) + entropy(fake, False),
    ),
    "relativistic": (
        lambda real, fake: (
            entropy(real - fake.mean(), False)
            + entropy(fake - real.mean(), True)
        ),
        lambda real, fake: (
            entropy(real - fake.mean(), True)
            + entropy(fake - real.mean(), False)
        ),
    ),
    "hinge": (
        lambda real, fake: -fake.mean(),
        lambda real, fake: (
            functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
        ),
    ),
    "least_squares": (
        lambda real, fake: (fake - 1).square().mean() / 2,
        lambda real, fake: (
            (real - 1).square().mean() / 2 + fake.square().mean() / 2
        ),
    ),
}
PIXEL = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "charbonnier": lambda sr, hr: ((sr - hr) ** 2 + 4e-6).sqrt().mean(),
}
LAYERS = {"block1_conv2": 0.1, "block2_conv1": 1.0, "block3_conv1": 0.5}
DISCRIMINATORS = {
    "plain": (lambda: Discriminator(filters=4), TorchDiscriminator),
    "spectral": (
        lambda: Discriminator(filters=4, spectral_normalization=True),
        TorchDiscriminator,
    ),
    "unet": (lambda: UNetDiscriminator(filters=4), TorchUNet),
}


@pytest.mark.parametrize(
    "content_loss, adversarial_loss, pixel_loss, pattern_weight, discriminator",
    [
        ("vgg", "vanilla", None, 0, "plain"),
        ("mse", "vanilla", None, 0, "plain"),
        ("layers", "relativistic", "mae", 0, "plain"),
        ("normalized", "vanilla", "charbonnier", 0, "plain"),
        ("mse", "hinge", "mse", 3, "spectral"),
        ("mae", "least_squares", "mse", 3, "unet"),
    ],
)
def test_gradients_equal_those_written_by_hand(
    content_loss,
    adversarial_loss,
    pixel_loss,
    pattern_weight,
    discriminator,
    photos,
):
    # No clipped areas, where neighbors tie in VGG19's poolings.
    photos = photos // 2 + 64
    convs = 5
    loss = content_loss
    if content_loss == "vgg":
        loss = VGGContentLoss("block3_conv1", weights=None)
    if content_loss == "layers":
        loss = VGGContentLoss(
            LAYERS,
            weights=None,
            before_activation=True,
            distance="absolute",
            feature_scale=0.02,
        )
    if content_loss == "normalized":
        loss = VGGContentLoss(LAYERS, weights=None, distance="normalized")
    make_discriminator, torch_discriminator = DISCRIMINATORS[discriminator]
    srgan = SRGAN(
        Generator(num_blocks=2, filters=4),
        make_discriminator(),
        augmentation=keras.layers.Identity(),
    )
    # With a rate of 1 and no momentum, a step is minus the gradient.
    srgan.compile(
        keras.optimizers.SGD(1.0),
        keras.optimizers.SGD(1.0),
        content_loss=loss,
        adversarial_weight=0.1,
        adversarial_loss=adversarial_loss,
        pixel_weight=0.5 if pixel_loss else 0,
        pixel_loss=pixel_loss or "mse",
        grid_weight=pattern_weight,
        spectrum_weight=pattern_weight / 10,
    )
    # Larger kernels, so that no gradient is lost in rounding.
    for weight in srgan.trainable_variables:
        if len(weight.shape) == 4:
            weight.assign(2 * np.array(weight.numpy()))
    before = [np.array(v.numpy()) for v in srgan.trainable_variables]
    count = len(srgan.generator.trainable_variables)

    g, d = Weights(before[:count]), torch_discriminator(srgan.discriminator)
    real = torch.tensor(photos.astype("float32")).permute(0, 3, 1, 2)
    lr = keras.ops.convert_to_numpy(srgan.degradation(photos))
    lr = torch.tensor(lr).permute(0, 3, 1, 2)
    hr, lr = real / 127.5 - 1, lr / 127.5 - 1
    sr = generate(g, lr, num_blocks=2)
    if content_loss in PIXEL:
        content = PIXEL[content_loss](sr, hr)
    else:
        loss.build()
        kernels = [np.array(v.numpy()) for v in loss.variables]
        (sr_linear, sr_active), (hr_linear, hr_active) = (
            vgg_features(Weights(kernels), images, convs) for images in (sr, hr)
        )
        if content_loss == "vgg":
            content = functional.mse_loss(
                sr_active["block3_conv1"] / 12.75,
                hr_active["block3_conv1"] / 12.75,
            )
        elif content_loss == "normalized":
            content = sum(
                weight
                * torch.sum(
                    torch.square(
                        functional.normalize(sr_active[name])
                        - functional.normalize(hr_active[name])
                    ),
                    dim=1,
                ).mean()
                for name, weight in LAYERS.items()
            )
        else:
            content = sum(
                weight
                * 0.02
                * functional.l1_loss(sr_linear[name], hr_linear[name])
                for name, weight in LAYERS.items()
            )
    true, fake = d(hr), d(sr)
    generator_adversarial, critic = ADVERSARIAL[adversarial_loss]
    generator_loss = content + 0.1 * generator_adversarial(true, fake)
    if pixel_loss:
        generator_loss = generator_loss + 0.5 * PIXEL[pixel_loss](sr, hr)
    if pattern_weight:
        generator_loss = generator_loss + pattern_weight * (
            grid_loss(sr, hr) + spectrum_loss(sr, hr) / 10
        )
    critic_loss = critic(true, fake)
    # Keras keeps the kernel and then the bias of each layer.
    leaves = [
        parameter
        for conv in d.convs
        for parameter in (getattr(conv, "weight_orig", conv.weight), conv.bias)
        if parameter is not None
    ]
    expected = [
        *torch.autograd.grad(generator_loss, g.leaves, retain_graph=True),
        *(
            # To Keras' order of axes; a dense kernel has no others.
            gradient.permute(2, 3, 1, 0) if gradient.ndim == 4 else gradient
            for gradient in torch.autograd.grad(critic_loss, leaves)
        ),
    ]

    logs = srgan.train_on_batch(photos, return_dict=True)
    assert logs["loss"] == pytest.approx(generator_loss.item(), rel=1e-4)
    assert logs["discriminator_loss"] == pytest.approx(
        critic_loss.item(), rel=1e-4
    )
    actual = [
        old - np.array(variable.numpy())
        for old, variable in zip(before, srgan.trainable_variables, strict=True)
    ]
    # A unit that rounding puts on the other side of a kink of VGG19 jumps.
    tolerance = 2e-3 if content_loss in PIXEL else 0.2
    if discriminator == "spectral":
        # The gradients of the real and the generated images nearly cancel.
        tolerance = max(tolerance, 0.03)
    for variable, ours, theirs in zip(
        srgan.trainable_variables, actual, expected, strict=True
    ):
        theirs = theirs.numpy().reshape(ours.shape)
        scale = np.abs(theirs).max()
        if adversarial_loss in ("relativistic", "hinge"):
            # Adding a constant to all logits changes nothing, or cancels.
            if variable is srgan.discriminator.get_layer("logit").bias:
                assert max(scale, np.abs(ours).max()) < 1e-6
                continue
        assert scale > 0, variable.path
        np.testing.assert_allclose(
            ours, theirs, atol=tolerance * scale, err_msg=variable.path
        )
    ours = np.concatenate([gradient.ravel() for gradient in actual])
    theirs = np.concatenate([gradient.numpy().ravel() for gradient in expected])
    assert np.linalg.norm(ours - theirs) < 1e-2 * np.linalg.norm(theirs)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_each_loss_moves_only_its_own_player(player, photos, make_srgan):
    still, moving = keras.optimizers.SGD(0.0), keras.optimizers.SGD(1e-2)
    optimizers = (moving, still) if player == "generator" else (still, moving)
    srgan = make_srgan(*optimizers)
    before = {
        name: [
            np.array(v.numpy())
            for v in getattr(srgan, name).trainable_variables
        ]
        for name in ("generator", "discriminator")
    }
    srgan.fit(photos, batch_size=4, verbose=0)
    for name, weights in before.items():
        after = [
            np.array(v.numpy())
            for v in getattr(srgan, name).trainable_variables
        ]
        same = [
            np.array_equal(a, b) for a, b in zip(weights, after, strict=True)
        ]
        assert (not any(same)) if name == player else all(same)
