"""Muon makes orthogonal steps for the kernels of convolutions."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_srgan import Generator
from keras_srgan import Muon


def draw(shape, seed):
    return np.random.default_rng(seed).normal(0, 1, shape).astype("float32")


def make_variable(shape, name, seed=0):
    return keras.Variable(draw(shape, seed), name=name)


def apply(optimizer, variable, gradients):
    for gradient in gradients:
        optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
    return ops.convert_to_numpy(variable)


def orthogonalize(matrix):
    """Five steps of the iteration, with the coefficients of the reference."""
    x = matrix / np.linalg.norm(matrix)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return x


@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (1, 1, 4, 8)])
def test_steps_against_numpy(shape):
    gradients = [draw(shape, seed) for seed in (1, 2, 3)]
    kernel = make_variable(shape, "kernel")
    result = apply(Muon(0.01), kernel, gradients)

    expected = draw(shape, 0).astype("float64").reshape(-1, shape[-1])
    momentum = np.zeros_like(expected)
    for gradient in gradients:
        gradient = gradient.astype("float64").reshape(-1, shape[-1])
        momentum = 0.95 * momentum + gradient
        update = gradient + 0.95 * momentum
        wide = update if update.shape[0] <= update.shape[1] else update.T
        step = orthogonalize(wide)
        step = step if wide is update else step.T
        # Weight decay.
        expected *= 1 - 0.01
        expected -= 0.01 * 0.2 * max(expected.shape) ** 0.5 * step
    np.testing.assert_allclose(
        result, expected.reshape(shape), rtol=1e-4, atol=1e-5
    )


def test_a_step_changes_all_directions_about_equally():
    shape = (3, 3, 8, 8)
    # One direction dominates this gradient.
    gradient = draw(shape, 1) + 100 * draw((3, 3, 8, 1), 2) * draw((8,), 3)
    kernel = make_variable(shape, "kernel")
    before = ops.convert_to_numpy(kernel).copy()
    step = apply(Muon(0.01), kernel, [gradient]) - before
    values = np.linalg.svd(step.reshape(-1, 8), compute_uv=False)
    of_gradient = np.linalg.svd(gradient.reshape(-1, 8), compute_uv=False)
    assert of_gradient[0] > 50 * of_gradient[1]
    assert values.max() < 2.5 * values.min()


def test_kernels_do_not_grow_without_bound():
    shape = (3, 3, 4, 8)
    gradients = [draw(shape, 1)] * 300

    def size(**arguments):
        kernel = make_variable(shape, "kernel")
        result = apply(Muon(0.02, **arguments), kernel, gradients)
        return np.mean(result**2) ** 0.5

    # A step of this rate changes a kernel by 0.004, times 300.
    assert size(weight_decay=None) > 1
    assert size() < 0.25


@pytest.mark.parametrize(
    ("shape", "name"),
    [((3, 3, 4, 8), "rgb_conv"), ((8,), "bias"), ((1, 1, 8), "alpha")],
)
def test_other_weights_are_trained_as_by_adam_at_a_fifth_of_the_rate(
    shape, name
):
    gradients = [draw(shape, seed) for seed in (1, 2, 3)]
    results = [
        apply(optimizer, make_variable(shape, name), gradients)
        for optimizer in (Muon(0.05), keras.optimizers.Adam(0.01))
    ]
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "upsampling", ["pixel_shuffle", "pixel_shuffle_direct"]
)
def test_only_convolutions_that_read_or_write_colors_are_excluded(upsampling):
    generator = Generator(num_blocks=1, filters=4, upsampling=upsampling)
    muon = Muon()
    muon.build(generator.trainable_variables)
    kernels = [v for v in generator.trainable_variables if v.name == "kernel"]
    by_adam = {
        v.path
        for v in kernels
        if muon.adam_velocities[muon._get_variable_index(v)] is not None
    }
    assert by_adam == {"start_conv/kernel", "rgb_conv/kernel"}
    assert len(kernels) > 4


def test_config_makes_the_same_optimizer():
    muon = Muon(3e-4, exclude_layers=["other"], momentum=0.9, use_ema=True)
    config = keras.saving.serialize_keras_object(muon)
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is Muon
    assert copy.get_config() == muon.get_config()
