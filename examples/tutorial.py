"""
Title: Photo super-resolution with an SRGAN
Author: The keras_srgan authors
Date created: 2026/11/25
Last modified: 2026/11/25
Description: Train a GAN that upscales photos 4x per side, on any backend.
Accelerator: GPU
"""

"""
## Introduction

Single-image super-resolution upscales a photo and restores detail that is
missing from the small photo. A network that is trained for the lowest pixel
error predicts the average of all plausible details, so its results are blurry.
**SRGAN** ([Ledig et al., 2017](https://arxiv.org/abs/1609.04802)) adds two
losses: a distance between VGG19 features, and an adversarial loss from a
discriminator, which learns to distinguish results from photos. The results are
sharper, but have a larger pixel error: the detail is plausible rather than
accurate.

Two other examples on this site train for the pixel error alone:

- [ESPCN](https://keras.io/examples/vision/super_resolution_sub_pixel/), with
  three convolutions, is the fastest.
- [EDSR](https://keras.io/examples/vision/edsr/), with 16 residual blocks, has
  the smallest error.

Use those if results are measured or must be readable, and use an SRGAN if they
are viewed by people.

Training has two stages, as in the paper. The first stage minimizes the pixel
error. The second stage trains the GAN, starting from the weights of the first.
A GAN that starts from random weights learns slowly and is unstable.
"""

"""
## Setup

The code runs on TensorFlow, JAX and PyTorch. It needs `scikit-image` and
`matplotlib`.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers
from keras import ops
from skimage import data

SCALE = 4
CROP = 64  # Side of an HR crop, in pixels.
BATCH = 16
EPOCHS_PSNR = 8
EPOCHS_GAN = 6
STEPS = 50  # Per epoch.
VGG_WEIGHTS = "imagenet"  # Or the path of a file with them.

keras.utils.set_random_seed(0)

"""
## Photos

Random crops of seven photos are enough for a demonstration. Two other photos
are held out. To reach the published quality, train on a large dataset such as
DIV2K. The low-resolution (LR) image of a crop is made by antialiased bicubic
downscaling.
"""

photos = [data.astronaut(), data.rocket(), data.retina()]
photos += [data.hubble_deep_field(), data.immunohistochemistry()]
photos += data.stereo_motorcycle()[:2]
test_photos = [data.chelsea(), data.coffee()]


def shrink(images):
    size = (images.shape[1] // SCALE, images.shape[2] // SCALE)
    small = ops.image.resize(
        ops.cast(images, "float32"), size, "bicubic", antialias=True
    )
    return ops.clip(small, 0, 255)


class Crops(keras.utils.PyDataset):
    """Yields batches of random LR and HR crops, different in each epoch."""

    def __init__(self, photos):
        super().__init__()
        self.photos = photos
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        hr = np.stack([self.draw() for _ in range(BATCH)])
        return ops.convert_to_numpy(shrink(hr)), hr.astype("float32")

    def draw(self):
        photo = self.photos[self.rng.integers(len(self.photos))]
        y, x = (self.rng.integers(side - CROP) for side in photo.shape[:2])
        crop = photo[y : y + CROP, x : x + CROP]
        return crop[:, ::-1] if self.rng.random() < 0.5 else crop


crops = Crops(photos)
test_hr = np.stack([photo[100:292, 100:292] for photo in test_photos])
test_lr = ops.convert_to_numpy(shrink(test_hr))

"""
## The generator

All residual blocks run at the resolution of the small image, which is fast. The
last convolution has one channel per color for each pixel of a 4x4 square, and
`depth_to_space` rearranges these channels into pixels (sub-pixel convolution,
[Shi et al., 2016](https://arxiv.org/abs/1609.05158)). Its weights start at
zero, and its output is added to the enlarged input, so an untrained network
already returns the enlarged photo.

The generator of the paper has batch normalization, 16 blocks with 64 filters,
and two sub-pixel convolutions by a factor of 2, before a last convolution at
full size.
"""


def make_generator(num_blocks=8, filters=32):
    lr = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(lr)
    x = skip = layers.Conv2D(filters, 3, padding="same")(x)
    for _ in range(num_blocks):
        block = layers.Conv2D(filters, 3, padding="same")(x)
        block = layers.PReLU(shared_axes=[1, 2])(block)
        block = layers.Conv2D(filters, 3, padding="same")(block)
        x = layers.Add()([x, block])
    x = layers.Add()([skip, x])
    x = layers.Conv2D(
        3 * SCALE**2, 3, padding="same", kernel_initializer="zeros"
    )(x)
    detail = layers.Rescaling(127.5)(ops.nn.depth_to_space(x, SCALE))
    large = layers.UpSampling2D(SCALE)(lr)
    return keras.Model(lr, layers.Add()([large, detail]), name="generator")


generator = make_generator()

"""
## Stage one: pixel error

This stage uses `fit`. The absolute error gives sharper results than the squared
error.
"""


def psnr(hr, sr):
    error = ops.subtract(hr, ops.clip(sr, 0, 255))
    return 10 * ops.log10(255**2 / ops.mean(error**2, axis=(1, 2, 3)))


generator.compile(keras.optimizers.Adam(1e-3), loss="mae", metrics=[psnr])
generator.fit(
    crops,
    epochs=EPOCHS_PSNR,
    validation_data=(test_lr, test_hr.astype("float32")),
    verbose=2,
)
faithful = generator.predict(test_lr, verbose=0)

"""
## The discriminator and VGG19

The discriminator returns one number per image, the logit of "this is a photo".

VGG19 features are compared before the activation, as proposed by [Wang et al.,
2018](https://arxiv.org/abs/1809.00219), because activated features are mostly
zero.
"""


def make_discriminator(filters=32):
    images = keras.Input((CROP, CROP, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(images)
    for factor in 1, 2, 4, 8:
        x = layers.Conv2D(factor * filters, 3, padding="same")(x)
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Conv2D(factor * filters, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Dense(1)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, x, name="discriminator")


def make_features():
    vgg = keras.applications.VGG19(include_top=False, weights=VGG_WEIGHTS)
    layer = vgg.get_layer("block3_conv4")
    layer.activation = keras.activations.linear
    images = keras.Input((CROP, CROP, 3))
    # VGG19 was trained on BGR images minus their mean color.
    bgr = ops.flip(images, axis=-1) - ops.array([103.939, 116.779, 123.68])
    features = keras.Model(vgg.input, layer.output)(bgr)
    model = keras.Model(images, features, name="features")
    model.trainable = False
    return model


discriminator = make_discriminator()
features = make_features()

"""
## Stage two: the GAN

Each step trains both networks. The discriminator learns to output 1 for photos
and 0 for results. The generator then learns to make the discriminator output 1
for its results, while the discriminator's weights are frozen. `gan` is the
generator followed by the discriminator and VGG19, so each of the two updates is
a `train_on_batch`, which runs on every backend. Set `trainable` before each
update, because it tells Keras which weights the update may change.

VGG19 and the discriminator have layers with stride 2, and the generator outputs
squares of 4x4 pixels. Together, they cause a grid pattern. The pixel loss
therefore also penalizes errors that repeat every four pixels.
"""


def pixel_loss(hr, sr):
    # One channel per color and position in a square of 4x4 pixels.
    errors = ops.nn.space_to_depth(sr - hr, SCALE)
    errors = ops.average_pool(errors, 8, strides=4)
    errors = ops.reshape(errors, (-1, SCALE**2, 3))
    grid = ops.mean(ops.sqrt(ops.var(errors, axis=1) + 1e-6))
    return ops.mean(ops.abs(hr - sr)) + 100 * grid


lr = keras.Input((CROP // SCALE, CROP // SCALE, 3))
sr = generator(lr)
gan = keras.Model(lr, [sr, features(sr), discriminator(sr)], name="gan")
adversarial_loss = keras.losses.BinaryCrossentropy(from_logits=True)
discriminator.compile(keras.optimizers.Adam(1e-4), loss=adversarial_loss)
gan.compile(
    keras.optimizers.Adam(1e-4),
    loss=[pixel_loss, "mae", adversarial_loss],
    loss_weights=[0.02, 0.02, 0.2],
)
for epoch in range(EPOCHS_GAN):
    losses = []
    for index in range(STEPS):
        lr_batch, hr_batch = crops[index]
        sr_batch = generator.predict_on_batch(lr_batch)
        discriminator.trainable = True
        labels = np.repeat([[1.0], [0.0]], BATCH, axis=0)
        d_loss = discriminator.train_on_batch(
            np.concatenate([hr_batch, sr_batch]), labels
        )
        discriminator.trainable = False
        target = features.predict_on_batch(hr_batch)
        g_loss = gan.train_on_batch(
            lr_batch, [hr_batch, target, np.ones((BATCH, 1))]
        )
        losses.append((d_loss, g_loss[0]))
    d_loss, g_loss = np.mean(losses, axis=0)
    print(f"epoch {epoch + 1}: {d_loss=:.3f} {g_loss=:.3f}")
sharp = generator.predict(test_lr, verbose=0)

"""
## Results

The results of the GAN have a lower PSNR than those of stage one, but a smaller
distance in VGG19 features, which correlates better with human judgment.
"""

bicubic = ops.image.resize(test_lr, test_hr.shape[1:3], "bicubic")
systems = {
    "bicubic": ops.convert_to_numpy(bicubic),
    "stage one": faithful,
    "SRGAN": sharp,
    "photo": test_hr,
}
figure, axes = plt.subplots(2, 4, figsize=(12, 6.4), layout="constrained")
reference = test_hr.astype("float32")
corner = slice(64, 64 + CROP)
truth = features.predict(reference[:, corner, corner], verbose=0)
for column, (name, images) in enumerate(systems.items()):
    images = np.clip(images, 0, 255).astype("float32")
    if name != "photo":
        decibels = ops.convert_to_numpy(psnr(reference, images)).mean()
        own = features.predict(images[:, corner, corner], verbose=0)
        distance = np.abs(own - truth).mean()
        print(f"{name}: PSNR {decibels:.2f} dB, VGG19 distance {distance:.3f}")
    for row, image in enumerate(images):
        axes[row, column].imshow(image.astype("uint8"))
        axes[row, column].set_axis_off()
    axes[0, column].set_title(name)
figure.savefig("srgan.png", dpi=100)

"""
This takes 9 minutes on one CPU core with JAX. It prints a PSNR of 28.42 dB for
bicubic, 29.10 dB for stage one and 28.69 dB for the SRGAN, and VGG19 distances
of 480, 436 and 400. [keras_srgan](https://github.com/keras-srgan/keras-srgan)
provides networks that were trained for longer, and upscales photos of any size
in tiles without seams.
"""
