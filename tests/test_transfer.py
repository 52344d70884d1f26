"""recipes/transfer.py, which adds what another network learned."""

import pathlib
import runpy

import keras
import numpy as np
import pytest

from keras_srgan import Generator

RECIPE = runpy.run_path(
    str(pathlib.Path(__file__).parents[1] / "recipes" / "transfer.py")
)


def make_generator(filters, seed):
    keras.utils.set_random_seed(seed)
    generator = Generator(
        num_blocks=1, filters=filters, upsampling="pixel_shuffle_direct"
    )
    random = np.random.default_rng(seed)
    generator.set_weights(
        [random.normal(size=weight.shape) for weight in generator.get_weights()]
    )
    return generator


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_the_difference_is_added_to_the_filters_that_are_shared(share):
    faithful = make_generator(3, 0)
    vivid, start = make_generator(2, 1), make_generator(2, 2)
    result = RECIPE["transfer"](faithful, vivid, start, share)
    for before, after, end, begin in zip(
        *(m.get_weights() for m in (faithful, result, vivid, start)),
        strict=True,
    ):
        shared = tuple(map(slice, end.shape))
        np.testing.assert_allclose(
            after[shared], before[shared] + share * (end - begin), rtol=1e-6
        )
        assert not np.array_equal(after[shared], before[shared])
        after[shared] = before[shared]
        np.testing.assert_array_equal(after, before)


def test_without_a_difference_nothing_changes():
    faithful, vivid = make_generator(2, 0), make_generator(2, 1)
    result = RECIPE["transfer"](faithful, vivid, vivid)
    for before, after in zip(
        faithful.get_weights(), result.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(after, before)
