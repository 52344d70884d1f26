"""Photos of many sizes on JAX, which compiles for each input shape."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

from keras_srgan import Generator
from keras_srgan import MSRResNet
from keras_srgan import Upscaler
from keras_srgan.ladder import Ladder
from keras_srgan.receptive_field import split
from keras_srgan.tiling import equal_windows
from keras_srgan.tiling import get_spans

BACKEND = keras.backend.backend()

# Tile size and halo of a network, then of its later stage: those of
# srresnet_x4_small, of srresnet_x4, of small networks and after memory ran out.
NETWORKS = [
    (760, 38, None),
    (644, 40, (175, 3)),
    (1006, 9, (718, 3)),
    (1020, 2, None),
    (64, 40, (16, 3)),
    (1, 38, None),
    (16, 200, (16, 3)),
]


def noise(*shape):
    random = np.random.default_rng(sum(shape))
    return random.integers(0, 256, shape, "uint8")


def functional(*steps):
    x = inputs = keras.Input((None, None, 3))
    for step in steps:
        x = step(x)
    return keras.Model(inputs, x)


# === Windows ===


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_windows_cover_each_pixel_once(network):
    ladder = Ladder.from_tiles(*network)
    while ladder:
        for length in [*range(1, 200), 500, 1009, 2000]:
            windows = ladder.cover(length)
            assert set(windows) <= set(ladder.rungs)
            spans = get_spans(length, windows, ladder.halo)
            kept = [i for span in spans for i in range(length)[span.kept]]
            assert kept == list(range(length))
            for (window, keep, inner), rung in zip(spans, windows, strict=True):
                side = window.stop - window.start
                assert ladder.fit(side) == rung
                assert side == rung or len(spans) == 1
                assert range(length)[window][inner] == range(length)[keep]
                for end, here in (
                    (0, keep.start - window.start),
                    (length, window.stop - keep.stop),
                ):
                    at_end = end in (window.start, window.stop)
                    assert at_end or here >= ladder.halo
        ladder = ladder.next


@pytest.mark.parametrize("network", NETWORKS[:4], ids=str)
def test_five_hundred_sizes_need_few_windows(network):
    tile_size, halo, later = network
    ladder = Ladder.from_tiles(*network)
    sizes = np.random.default_rng(0).integers(100, 2001, (500, 2)).tolist()
    shapes = set()
    work = 0
    for size in sizes:
        rows, columns = map(ladder.cover, size)
        shapes |= set(itertools.product(rows, columns))
        work += sum(rows) * sum(columns)
    later_shapes = set()
    if later:
        for shape in shapes:
            later_shapes |= set(
                itertools.product(*map(ladder.next.cover, shape))
            )
    # And two sizes with windows of their own, of each stage.
    assert len(shapes) + len(later_shapes) + (4 if later else 2) <= 24

    # As many pixels in equal square photos, with windows that fit exactly.
    side = round(np.mean([height * width for height, width in sizes]) ** 0.5)
    equal = sum(equal_windows(side, tile_size, halo)) ** 2
    assert work <= 1.35 * 500 * equal


def test_the_later_stage_gets_whole_windows():
    ladder = Ladder.from_tiles(644, 40, (175, 3))
    for rung, count in zip(ladder.rungs, (4, 2, 1), strict=False):
        assert ladder.next.cover(rung) == [181] * count


# === Padding ===


@pytest.mark.skipif(BACKEND != "jax", reason="used on JAX only")
@pytest.mark.parametrize(
    "make",
    [
        lambda: Generator(num_blocks=1, filters=4),
        lambda: Generator(num_blocks=1, filters=4, use_batch_norm=True),
        lambda: Generator(
            num_blocks=1, filters=4, upsampling="pixel_shuffle_direct"
        ),
        lambda: MSRResNet(num_blocks=1, filters=4),
        lambda: functional(Generator(num_blocks=0, filters=2)),
        lambda: functional(
            layers.SeparableConv2D(4, (3, 5), padding="same"),
            layers.UpSampling2D(2),
            layers.LeakyReLU(),
            layers.Conv2D(3, 4, padding="same", dilation_rate=2),
        ),
    ],
)
def test_a_padded_photo_has_the_output_of_the_photo(make):
    model = make()
    for weight in model.trainable_weights:  # zeros hide what padding does
        weight.assign(weight + keras.random.normal(weight.shape, stddev=0.1))
    x = noise(1, 7, 10, 3).astype("float32")
    for part in split(model):
        expected = part.predict_on_batch(x)
        channels = x.shape[-1]
        # What lies in the padding does not matter.
        padded = np.full((1, 13, 16, channels), 1e3, "float32")
        padded[:, :7, :10] = x
        size = np.array(x.shape[1:3], "int32")
        result = part.predict_on_batch((padded, size))
        result = result[:, : expected.shape[1], : expected.shape[2]]
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-3)
        x = expected


# === Photos ===


def record_shapes(stage, monkeypatch):
    """Returns a set that gets the input shapes of a stage."""
    shapes = set()
    predict = stage.part.predict_on_batch

    def record(x):
        shapes.add(x[0].shape if isinstance(x, tuple) else x.shape)
        return predict(x)

    monkeypatch.setattr(stage.part, "predict_on_batch", record)
    return shapes


def test_many_sizes_are_exact_in_few_shapes(monkeypatch):
    generator = Generator(num_blocks=1, filters=4)
    upscaler = Upscaler(generator, tile_size=40)
    upscaler._stage.next.tile_size = 12
    shapes = [
        record_shapes(stage, monkeypatch)
        for stage in (upscaler._stage, upscaler._stage.next)
    ]
    sizes = np.random.default_rng(1).integers(1, 100, (8, 2))
    for height, width in sizes:
        photo = noise(height, width, 3)
        whole = generator.predict_on_batch(photo[None].astype("float32"))[0]
        difference = upscaler(photo) - np.clip(np.rint(whole), 0, 255)
        assert np.abs(difference).max() <= 1
    ladder = upscaler._stage.get_ladder()
    for seen, rungs in zip(
        shapes, (ladder.rungs, ladder.next.rungs), strict=True
    ):
        others = {shape for shape in seen if not set(shape[1:3]) <= set(rungs)}
        if BACKEND == "jax":
            # Of the first two sizes.
            assert len(others) <= 4
        else:
            assert len(others) > 4


def test_equal_photos_are_not_padded(monkeypatch):
    upscaler = Upscaler(Generator(num_blocks=0, filters=2))
    shapes = record_shapes(upscaler._stage, monkeypatch)
    for size in [(17, 23), (17, 23), (29, 19), (17, 23), (31, 18), (29, 19)]:
        upscaler(noise(*size, 3))
    exact = {(1, 17, 23, 3), (1, 29, 19, 3)}
    assert exact <= shapes and len(shapes) == 3
    assert ((1, 31, 18, 3) in shapes) == (BACKEND != "jax")


@pytest.mark.skipif(
    BACKEND != "tensorflow", reason="counts TensorFlow's graphs"
)
def test_tensorflow_compiles_no_size_of_its_own():
    upscaler = Upscaler(Generator(num_blocks=0, filters=2))
    for i in range(8):
        upscaler(noise(9 + i, 20 - i, 3))
    stage = upscaler._stage
    while stage:
        function = stage.part.predict_function
        # One for the first size, one for all others.
        assert function.experimental_get_tracing_count() <= 2
        assert not stage.part.jit_compile
        stage = stage.next


def test_out_of_memory_shortens_the_ladder(monkeypatch):
    generator = Generator(num_blocks=0, filters=2)
    upscaler = Upscaler(generator)
    predict = upscaler._stage.part.predict_on_batch

    def fail_above(x):
        shape = x[0].shape if isinstance(x, tuple) else x.shape
        if max(shape[1:3]) > 64:
            raise MemoryError
        return predict(x)

    monkeypatch.setattr(upscaler._stage.part, "predict_on_batch", fail_above)
    for height in (70, 80, 90, 100, 110):
        photo = noise(height, 50, 3)
        whole = generator(photo[None].astype("float32"))
        whole = np.rint(keras.ops.convert_to_numpy(whole)[0])
        result = upscaler(photo).astype(int)
        assert np.abs(result - np.clip(whole, 0, 255)).max() <= 1
    assert upscaler._stage.get_ladder().rungs[0] <= 64
