"""PyTorch checkpoints: each network is written here in PyTorch."""

import pickle
import sys

import keras
import numpy as np
import pytest

from keras_srgan import Generator
from keras_srgan.cli import main
from keras_srgan.torch_checkpoint import import_torch_checkpoint
from keras_srgan.upscaling import upscale

torch = pytest.importorskip("torch")
nn = torch.nn

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


class Net(nn.Module):
    """An SRResNet as the common projects declare it, one by one."""

    def __init__(
        self,
        blocks=2,
        filters=4,
        ups=2,
        norm=True,
        bias=True,
        slopes=1,
        order="middle",
        end="norm",
        up_norm=False,
        sizes=(9, 9),
    ):
        super().__init__()
        torch.manual_seed(0)
        n, kernel = filters, sizes

        def conv(i, o, size, bias=True):
            return nn.Conv2d(i, o, size, padding=size // 2, bias=bias)

        self.start = nn.Sequential(conv(3, n, kernel[0]), nn.PReLU(slopes))
        self.body = nn.Sequential(
            *(Block(n, norm, bias, slopes, order) for _ in range(blocks))
        )
        self.mid = conv(n, n, 3, bias)
        if end == "norm":
            self.mid_norm = nn.BatchNorm2d(n)
        if end == "prelu" or order == "uncalled":
            self.mid_prelu = nn.PReLU(slopes)
        self.end = end
        tail = []
        for _ in range(ups):
            tail += [conv(n, 4 * n, 3)]
            tail += [nn.BatchNorm2d(4 * n)] if up_norm else []
            tail += [nn.PixelShuffle(2), nn.PReLU(slopes)]
        self.tail = nn.Sequential(*tail)
        self.last = conv(n, 3, kernel[1])
        self.randomize()

    def randomize(self):
        self.last.weight.data *= 2
        uncalled = set()
        for name, module in self.named_modules():
            if name.endswith(("spare", "mid_prelu")) and self.end != "prelu":
                uncalled.add(module)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                # Down to where an epsilon of 1e-3 would be another network.
                module.running_var.uniform_(1e-3, 2)
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.normal_(0, 0.2)
            elif isinstance(module, nn.PReLU) and module not in uncalled:
                module.weight.data.uniform_(-0.5, 0.5)
        self.eval()

    def forward(self, x):
        start = self.start(x)
        y = self.mid(self.body(start))
        y = self.mid_norm(y) if self.end == "norm" else y
        y = self.mid_prelu(y) if self.end == "prelu" else y
        return self.last(self.tail(start + y))


class Block(nn.Module):
    def __init__(self, n, norm, bias, slopes, order):
        super().__init__()
        if order == "first":
            self.act = nn.PReLU(slopes)
        self.conv_a = nn.Conv2d(n, n, 3, padding=1, bias=bias)
        self.norm_a = nn.BatchNorm2d(n) if norm else nn.Identity()
        if order in ("middle", "uncalled"):
            self.act = nn.PReLU(slopes)
        self.conv_b = nn.Conv2d(n, n, 3, padding=1, bias=bias)
        self.norm_b = nn.BatchNorm2d(n) if norm else nn.Identity()
        if order == "last":
            self.act = nn.PReLU(slopes)
        if order == "uncalled":
            self.spare = nn.PReLU(slopes)

    def forward(self, x):
        y = self.act(self.norm_a(self.conv_a(x)))
        return x + self.norm_b(self.conv_b(y))


def levels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")


def original(net, photo, mean=0.0, std=1.0, output_range="tanh"):
    """What a network gives for a photo, as levels."""
    x = (photo.astype("float32") / 255 - mean) / std
    x = torch.tensor(x.transpose(0, 3, 1, 2), dtype=torch.float32)
    with torch.no_grad():
        y = net(x)
    y = {
        "tanh": lambda: (torch.tanh(y) + 1) / 2,
        "unit": lambda: y.clip(0, 1),
        "signed": lambda: (y.clip(-1, 1) + 1) / 2,
    }[output_range]()
    return 255 * y.numpy().transpose(0, 2, 3, 1)


def ours(generator, photo):
    tensor = keras.ops.stop_gradient(generator(photo.astype("float32")))
    return keras.ops.convert_to_numpy(tensor)


@pytest.fixture
def save(tmp_path):
    def save(content):
        torch.save(content, tmp_path / "net.pth")
        return tmp_path / "net.pth"

    return save


@pytest.mark.parametrize(
    "family, ranges",
    [
        # As leftthomas/SRGAN was in 2018, and since.
        ({"blocks": 5, "end": "prelu"}, {}),
        ({"blocks": 5}, {}),
        # Lornatang/SRGAN-PyTorch
        ({"bias": False}, {"output_range": "unit"}),
        # sgrvinod/a-PyTorch-Tutorial-to-Super-Resolution
        ({"blocks": 16}, IMAGENET),
        # aladdinpersson/Machine-Learning-Collection
        ({"bias": False, "slopes": 4, "order": "uncalled"}, {}),
        # No normalization at all; other scales, kernels and ranges.
        ({"norm": False, "end": None, "ups": 1}, {"mean": 0.5, "std": 0.5}),
        (
            {"norm": False, "bias": False, "end": None, "slopes": 4, "ups": 3},
            {"mean": 0.5, "std": 0.5, "output_range": "signed"},
        ),
        ({"order": "first", "up_norm": True, "sizes": (5, 3)}, {}),
        ({"order": "last", "blocks": 3, "filters": 6}, {}),
        ({"blocks": 0, "end": "prelu"}, {}),
    ],
)
def test_it_gives_what_the_original_gives(family, ranges, save):
    net = Net(**family)
    generator = import_torch_checkpoint(save(net.state_dict()), **ranges)
    photo = levels(2, 11, 13, 3)
    expected = original(net, photo, **ranges)
    assert expected.std() > 5
    # Borders too, so the padding stands for the same level.
    np.testing.assert_allclose(ours(generator, photo), expected, atol=0.01)


def test_what_is_imported_is_saved_and_trained_on(
    make_srgan, photos, save, tmp_path
):
    from keras_srgan import SRGAN
    from keras_srgan import Discriminator

    path = save(Net(end="prelu").state_dict())
    generator = import_torch_checkpoint(path, **IMAGENET)
    generator.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    photo = levels(1, 9, 7, 3)
    np.testing.assert_array_equal(ours(loaded, photo), ours(generator, photo))
    srgan = SRGAN(loaded, Discriminator(filters=2))
    srgan.compile(content_loss="mse")
    before = loaded.get_layer("end_prelu").get_weights()[0]
    srgan.fit(photos, verbose=0)
    assert (loaded.get_layer("end_prelu").get_weights()[0] != before).any()


def test_tiles_make_no_difference(save):
    generator = import_torch_checkpoint(save(Net(blocks=1).state_dict()))
    photo = levels(40, 70, 3)
    np.testing.assert_allclose(
        np.asarray(upscale(generator, photo, tile_size=16)).astype(int),
        np.rint(ours(generator, photo[None])[0]).astype(int),
        atol=1,
    )


def test_channels_of_tensorflows_pixel_shuffle(save):
    net = Net(blocks=1, ups=1)
    photo = levels(1, 8, 8, 3)
    expected = original(net, photo)
    state = net.state_dict()
    for key in ("tail.0.weight", "tail.0.bias"):
        # (channel, row, column) to (row, column, channel)
        parts = state[key].reshape(4, 4, *state[key].shape[1:])
        state[key] = parts.transpose(0, 1).reshape(state[key].shape)
    path = save(state)
    generator = import_torch_checkpoint(path, pixel_shuffle="dcr")
    np.testing.assert_allclose(ours(generator, photo), expected, atol=0.01)
    other = import_torch_checkpoint(path)
    assert np.abs(ours(other, photo) - expected).max() > 1


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {f"module.{key}": state[key] for key in state},
        lambda state: {"epoch": 3, "state_dict": state},
        lambda state: {"best": {"params": state}, "psnr": torch.tensor(30.0)},
        lambda state: {"n_averaged": torch.tensor(9), **state},
        lambda state: {key: state[key].half() for key in state},
        lambda state: {
            "netD": {"0.weight": torch.zeros(4, 3, 3, 3)},
            "optimizer": {"state": {0: {"exp_avg": torch.zeros(4)}}},
            "netG": state,
        },
    ],
)
def test_state_dicts_inside_of_others(wrap, save):
    net = Net(blocks=1)
    photo = levels(1, 8, 8, 3)
    generator = import_torch_checkpoint(save(wrap(net.state_dict())))
    np.testing.assert_allclose(
        ours(generator, photo), original(net, photo), atol=1
    )


def without(*keys):
    def change(state):
        for key in keys:
            del state[key]

    return change


def put(**tensors):
    def change(state):
        for key, tensor in tensors.items():
            state[key.replace("__", ".")] = tensor

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (
            without("body.1.norm_a.running_var"),
            r"Missing: body\.1\.norm_a\.running_var",
        ),
        (
            without("body.1.conv_a.weight"),
            r"Missing: body\.1\.conv_a\.weight",
        ),
        (
            without("body.0.act.weight"),
            r"after 'body\.0\.norm_b'.*PReLU of this block.*body\.1\.conv_a",
        ),
        (
            without("body.1.conv_b.weight", "body.1.conv_b.bias"),
            "after 'body.1.act': a convolution 4 → 4.*body.1.norm_b",
        ),
        (
            without("last.weight", "last.bias"),
            "after 'tail.5': a convolution 4 → 16.*the file ends",
        ),
        (
            put(other__gamma=torch.zeros(2, 2), other__beta=torch.ones(1)),
            r"Unexpected: other\.gamma, other\.beta",
        ),
        (
            put(more__weight=torch.zeros(3, 3, 1, 1), more__bias=torch.ones(3)),
            r"after the last layer: more\.weight, more\.bias",
        ),
        (
            put(start__0__weight=torch.zeros(4, 1, 9, 9)),
            r"at the start: a convolution 3 → 4.*\(4, 1, 9, 9\)",
        ),
        (
            put(start__0__bias=torch.zeros(5)),
            r"Shape differs.*start\.0\.bias \(5,\)",
        ),
        (
            put(
                tail__0__weight=torch.zeros(36, 4, 3, 3),
                tail__0__bias=torch.zeros(36),
            ),
            r"a convolution 4 → 16.*\(36, 4, 3, 3\)",
        ),
    ],
)
def test_other_architectures(change, message, save):
    state = Net().state_dict()
    change(state)
    path = save(state)
    with pytest.raises(ValueError, match=f"(?s)net.pth.*{message}"):
        import_torch_checkpoint(path)


def test_what_is_no_network_of_photos(save):
    for first in (torch.nn.Conv1d(3, 4, 1), torch.nn.Linear(3, 4, bias=False)):
        with pytest.raises(ValueError, match="a convolution 3 → 4"):
            import_torch_checkpoint(save({"0.weight": first.weight}))
    sparse = {"0.weight": torch.ones(4, 3, 9, 9).to_sparse()}
    with pytest.raises(ValueError, match="0.weight holds no numbers"):
        import_torch_checkpoint(save(sparse))


def test_an_upscaling_by_sixteen(save):
    with pytest.raises(ValueError, match="enlarges 16 times"):
        import_torch_checkpoint(save(Net(ups=4).state_dict()))


def test_a_second_prelu_that_is_trained(save):
    state = Net(order="uncalled").state_dict()
    state["body.0.spare.weight"] += 0.1
    with pytest.raises(ValueError, match="second PReLU"):
        import_torch_checkpoint(save(state))


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('the code in the file was run')",)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"not a checkpoint\n", "not a PyTorch checkpoint"),
        (b"", "not a PyTorch checkpoint"),
        (pickle.dumps(Trap()), r"not a PyTorch checkpoint|exec"),
    ],
)
def test_files_of_other_kinds(content, message, tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"net.pth.*({message})"):
        import_torch_checkpoint(path)


def test_code_in_a_file_is_not_run(save):
    with pytest.raises(ValueError, match=r"more than tensors.*exec.*state_dic"):
        import_torch_checkpoint(save({"state_dict": Trap()}))
    with pytest.raises(ValueError, match=r"more than tensors.*Net.*state_dict"):
        import_torch_checkpoint(save({"model": Net()}))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_numpy_numbers_beside_the_weights_are_skipped(save, dtype):
    """No function of NumPy is called to read them."""
    net = Net()
    content = {
        "epoch": np.dtype(dtype).type(3),
        "best": [np.dtype(dtype).type(1)],
        "model": net.state_dict(),
    }
    generator = import_torch_checkpoint(save(content))
    photo = levels(1, 9, 8, 3)
    np.testing.assert_allclose(
        ours(generator, photo), original(net, photo), atol=1e-2
    )


def test_numpy_arrays_beside_the_weights_are_refused(save):
    content = {"model": Net().state_dict(), "curve": np.zeros(3)}
    with pytest.raises(ValueError, match="more than tensors"):
        import_torch_checkpoint(save(content))


def test_the_epsilon_of_batch_normalizations(save):
    """`BatchNorm2d(n, 0.8)` sets epsilon, and is common by mistake."""
    net = Net()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.8
    path, photo = save(net.state_dict()), levels(1, 9, 8, 3)
    expected = original(net, photo)
    generator = import_torch_checkpoint(path, batch_norm_epsilon=0.8)
    np.testing.assert_allclose(ours(generator, photo), expected, atol=1e-2)
    wrong = ours(import_torch_checkpoint(path), photo)
    assert np.abs(wrong - expected).mean() > 1


@pytest.mark.filterwarnings("ignore:`torch.jit")  # its category varies
def test_a_compiled_model(tmp_path):
    path = tmp_path / "net.pth"
    torch.jit.script(torch.nn.Conv2d(3, 4, 9)).save(path)
    with pytest.raises(ValueError, match=r"more than tensors \(TorchScript"):
        import_torch_checkpoint(path)


def test_half_a_file(save):
    path = save(Net().state_dict())
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match="damaged"):
        import_torch_checkpoint(path)
    with pytest.raises(ValueError, match="no state dict"):
        import_torch_checkpoint(save({"epoch": 3}))
    with pytest.raises(FileNotFoundError, match="absent.pth"):
        import_torch_checkpoint("absent.pth")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"mean": [0.5, 0.5]}, r"`mean`.*mean=\[0.5, 0.5\]"),
        ({"std": 0}, "`std`.*std=0"),
        ({"output_range": "255"}, "`output_range`.*output_range='255'"),
        ({"pixel_shuffle": "abc"}, "`pixel_shuffle`.*='abc'"),
    ],
)
def test_bad_arguments(arguments, message, save):
    with pytest.raises(ValueError, match=message):
        import_torch_checkpoint("unread.pth", **arguments)


def test_without_pytorch(save, monkeypatch):
    path = save(Net().state_dict())
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"keras-srgan\[torch\]"):
        import_torch_checkpoint(path)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"input_mean": [0, 0]}, r"`input_mean`.*input_mean=\[0, 0\]"),
        ({"input_mean": float("nan")}, "`input_mean`.*input_mean=nan"),
        ({"output_activation": "relu"}, "`output_activation`.*='relu'"),
    ],
)
def test_bad_arguments_of_the_generator(arguments, message):
    with pytest.raises(ValueError, match=message):
        Generator(**arguments)


def test_the_level_around_a_photo():
    """A photo of the level that is seen as zero has no border."""
    mean = [100.0, 50.0, 25.0]
    generator = Generator(num_blocks=0, filters=4, input_mean=mean)
    for weight in generator.get_layer("start_conv").weights[1:]:
        weight.assign(np.ones(weight.shape))
    features = keras.Model(
        generator.input, generator.get_layer("start_conv").output
    )
    plain = np.broadcast_to(np.float32(mean), (1, 6, 6, 3))
    np.testing.assert_allclose(ours(features, plain), 1, atol=1e-5)


# === The command ===


def run(*arguments):
    return main(["import-torch", *map(str, arguments)])


def test_command(save, tmp_path, capsys):
    path, output = save(Net().state_dict()), tmp_path / "out" / "model.keras"
    mean_std = ["--mean", 0.485, 0.456, 0.406, "--std", 0.229, 0.224, 0.225]
    assert run(path, "-o", output, *mean_std) == 0
    printed, warned = capsys.readouterr()
    assert "x4, 2 blocks of 4 filters" in printed
    # A network that is not trained has no colors to speak of.
    assert "--mean" in warned
    photo = levels(1, 8, 8, 3)
    np.testing.assert_array_equal(
        ours(keras.saving.load_model(output), photo),
        ours(import_torch_checkpoint(path, **IMAGENET), photo),
    )
    assert [p.name for p in output.parent.iterdir()] == ["model.keras"]


def test_command_with_bad_files(save, tmp_path, capsys):
    output = tmp_path / "model.keras"
    (tmp_path / "text.pth").write_text("not a checkpoint")
    for path, out, message in [
        (tmp_path / "text.pth", output, "text.pth is damaged or not"),
        (tmp_path / "absent.pth", output, "absent.pth"),
        (save(Net().state_dict()), tmp_path / "model.h5", "-o must end in"),
    ]:
        assert run(path, "-o", out) == 2
        assert message in capsys.readouterr().err
    assert not output.exists()
