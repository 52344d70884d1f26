"""Uploading, with a stand-in for the client of each hub."""

import pathlib
import types

import pytest

pytest.importorskip("keras_hub", reason="`pip install keras-srgan[hub]`")

from keras_hub.src.utils import preset_utils  # noqa: E402

from keras_srgan import Generator  # noqa: E402
from keras_srgan.hub import upload_preset  # noqa: E402
from keras_srgan.preset import FILES  # noqa: E402
from keras_srgan.preset import save_preset  # noqa: E402

CARD = "---\nlicense: apache-2.0\n---\n\n# Mine\n"


class Hub:
    """Keeps the files that arrive."""

    def __init__(self, **files):
        self.files = files

    def create_repo(self, repo_id, exist_ok):
        assert exist_ok
        return types.SimpleNamespace(repo_id=f"user/{repo_id.split('/')[-1]}")

    def file_exists(self, repo_id, filename):
        return filename in self.files

    def upload_file(self, *, path_or_fileobj, path_in_repo, repo_id):
        assert repo_id == "user/model"
        self.files[path_in_repo] = pathlib.Path(path_or_fileobj).read_bytes()

    def upload_folder(self, *, repo_id, folder_path):
        for file in pathlib.Path(folder_path).iterdir():
            self.files[file.name] = file.read_bytes()

    def model_upload(self, handle, folder):
        assert handle == "user/model/keras/x4"
        self.upload_folder(repo_id=handle, folder_path=folder)


@pytest.fixture
def preset(tmp_path):
    (tmp_path / "card.md").write_text(CARD)
    save_preset(
        Generator(num_blocks=1, filters=4),
        tmp_path / "preset",
        description="tiny",
        version="1",
        card=tmp_path / "card.md",
    )
    return tmp_path / "preset"


@pytest.mark.parametrize("earlier", [{}, {"README.md": b"an older card"}])
@pytest.mark.parametrize(
    "uri", ["hf://user/model", "hf://model", "kaggle://user/model/keras/x4"]
)
def test_the_folder_arrives_as_it_is(preset, monkeypatch, uri, earlier):
    hub = Hub(**earlier)
    import huggingface_hub

    for name in "create_repo", "file_exists", "upload_file", "upload_folder":
        monkeypatch.setattr(huggingface_hub, name, getattr(hub, name))
    monkeypatch.setattr(
        preset_utils.kagglehub, "model_upload", hub.model_upload
    )
    before = {file.name: file.read_bytes() for file in preset.iterdir()}
    upload_preset(uri, preset)
    assert hub.files == before
    assert set(before) == set(FILES)
    # Nothing has changed here either.
    assert {f.name: f.read_bytes() for f in preset.iterdir()} == before


def test_a_card_is_required(preset):
    (preset / "README.md").unlink()
    with pytest.raises(FileNotFoundError, match="must have a card"):
        upload_preset("hf://user/model", preset)
