from keras import ops


def filter_images(images, kernels):
    """Returns images convolved with one kernel per image.

    Borders are mirrored, the edge pixel repeated. The convolution is a product
    of Fourier transforms: its cost does not depend on the size of the kernel,
    and no backend has a convolution with one kernel per image.

    Args:
        images: Float32 tensor `(batch, height, width, channels)`.
        kernels: Float32 tensor `(batch, size, size)`, `size` odd.
    """
    size = kernels.shape[1]
    _, height, width, _ = ops.shape(images)
    images = extend(images, size // 2, size // 2, mirror=True)
    images = ops.transpose(images, (0, 3, 1, 2))
    padding = ((0, 0), (0, height - 1), (0, width - 1))
    kernels = ops.expand_dims(ops.pad(kernels, padding), 1)

    def transform(real):
        return ops.fft2((real, ops.zeros_like(real)))

    (a, b), (c, d) = transform(images), transform(kernels)
    images, _ = ops.ifft2((a * c - b * d, a * d + b * c))
    # The first `size - 1` rows and columns wrap around.
    images = images[:, :, size - 1 :, size - 1 :]
    return ops.transpose(images, (0, 2, 3, 1))


def extend(images, before, after, mirror=False):
    """Returns images with rows and columns added on all four sides.

    Unlike `ops.pad`, takes images of any size, however wide the border.

    Args:
        images: Tensor `(batch, height, width, channels)`.
        before: Integer. How many to add at the top and the left.
        after: Integer, or a pair of integers for the bottom and the right.
        mirror: Boolean. Whether the image is mirrored, rather than its edge
            pixels repeated. Defaults to `False`.
    """
    after = after if isinstance(after, tuple) else (after, after)
    for axis, end in zip((1, 2), after, strict=True):
        length = ops.shape(images)[axis]
        indices = ops.arange(-before, length + end, dtype="int32")
        if mirror:
            indices = indices % (2 * length)
            indices = ops.minimum(indices, 2 * length - 1 - indices)
        else:
            indices = ops.clip(indices, 0, length - 1)
        images = ops.take(images, indices, axis=axis)
    return images


def offsets(radius):
    """Returns the horizontal and vertical coordinates of a kernel's taps.

    Args:
        radius: Integer.

    Returns:
        Two float32 tensors `(1, 2 * radius + 1, 2 * radius + 1)`.
    """
    line = ops.arange(-radius, radius + 1, dtype="float32")
    return tuple(ops.expand_dims(c, 0) for c in ops.meshgrid(line, line))


def normalize(kernels):
    """Returns kernels `(batch, size, size)` divided by their sums."""
    return kernels / ops.sum(kernels, axis=(1, 2), keepdims=True)
