"""The default gradients against the same GAN written by hand in PyTorch."""

import keras
import numpy as np
import pytest

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import VGGContentLoss

torch = pytest.importorskip("torch")
functional = torch.nn.functional


class Weights:
    """Hands out a model's weights, in order, as torch leaves."""

    def __init__(self, weights):
        self.leaves = [
            torch.tensor(np.array(w), requires_grad=True) for w in weights
        ]
        self.next = iter(self.leaves)

    def conv(self, x, size, stride=1, bias=True):
        kernel = next(self.next).permute(3, 2, 0, 1)
        bias = next(self.next) if bias else None
        if stride == 1:
            return functional.conv2d(x, kernel, bias, padding=size // 2)
        # "same" padding at an even size: all of it on the far side.
        return functional.conv2d(
            functional.pad(x, (0, 1, 0, 1)), kernel, bias, stride
        )

    def prelu(self, x):
        slope = next(self.next).reshape(1, -1, 1, 1)
        return torch.where(x > 0, x, slope * x)

    def dense(self, x):
        kernel, bias = next(self.next), next(self.next)
        return torch.einsum("bchw,cd->bdhw", x, kernel) + bias.reshape(
            1, -1, 1, 1
        )


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


def discriminate(weights, x):
    for i in range(8):
        x = functional.leaky_relu(weights.conv(x, 3, 1 + i % 2), 0.2)
    return weights.dense(functional.leaky_relu(weights.dense(x), 0.2))


def vgg_features(weights, x, convs):
    """`x` in [-1, 1]; `convs` convolutions, blocks of 2, 2, 4, 4, 4."""
    mean = torch.tensor([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)
    x = (x.flip(1) + 1) * 127.5 - mean
    for i in range(convs):
        if i in (2, 4, 8, 12):
            x = functional.max_pool2d(x, 2)
        x = functional.relu(weights.conv(x, 3))
    return x / 12.75


@pytest.mark.parametrize("content_loss", ["vgg", "mse"])
def test_gradients_equal_those_written_by_hand(content_loss, photos):
    # No clipped areas, where neighbours tie in VGG19's poolings.
    photos = photos // 2 + 64
    convs = 5
    loss = content_loss
    if content_loss == "vgg":
        loss = VGGContentLoss("block3_conv1", weights=None)
        loss.build()
    srgan = SRGAN(
        Generator(num_blocks=2, filters=4),
        Discriminator(filters=4),
        augmentation=keras.layers.Identity(),
    )
    # With a rate of 1 and no momentum, a step is minus the gradient.
    srgan.compile(
        keras.optimizers.SGD(1.0),
        keras.optimizers.SGD(1.0),
        content_loss=loss,
        adversarial_weight=0.1,
    )
    # Larger kernels, so that no gradient is lost in rounding.
    for weight in srgan.trainable_variables:
        if len(weight.shape) == 4:
            weight.assign(2 * np.array(weight.numpy()))
    before = [np.array(v.numpy()) for v in srgan.trainable_variables]
    count = len(srgan.generator.trainable_variables)

    g, d = Weights(before[:count]), Weights(before[count:])
    real = torch.tensor(photos.astype("float32")).permute(0, 3, 1, 2)
    lr = keras.ops.convert_to_numpy(srgan.degradation(photos))
    lr = torch.tensor(lr).permute(0, 3, 1, 2)
    hr, lr = real / 127.5 - 1, lr / 127.5 - 1
    sr = generate(g, lr, num_blocks=2)
    if content_loss == "vgg":
        kernels = [np.array(v.numpy()) for v in loss.variables]
        content = functional.mse_loss(
            vgg_features(Weights(kernels), sr, convs),
            vgg_features(Weights(kernels), hr, convs),
        )
    else:
        content = functional.mse_loss(sr, hr)
    entropy = functional.binary_cross_entropy_with_logits
    fake = discriminate(d, sr)
    generator_loss = content + 0.1 * entropy(fake, torch.ones_like(fake))
    d.next = iter(d.leaves)
    true = discriminate(d, hr)
    d.next = iter(d.leaves)
    fake = discriminate(d, sr.detach())
    critic_loss = entropy(true, torch.ones_like(true)) + entropy(
        fake, torch.zeros_like(fake)
    )
    expected = [
        *torch.autograd.grad(generator_loss, g.leaves),
        *torch.autograd.grad(critic_loss, d.leaves),
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
    # What rounding puts on the other side of a kink of VGG19 jumps.
    tolerance = 2e-3 if content_loss == "mse" else 0.2
    for variable, ours, theirs in zip(
        srgan.trainable_variables, actual, expected, strict=True
    ):
        theirs = theirs.numpy()
        scale = np.abs(theirs).max()
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
