import os
from pathlib import Path

import pytest
from PIL import Image

from keras_srgan.data import ImageFolder
from keras_srgan.files import make_writable
from keras_srgan.files import remove_leftovers
from keras_srgan.files import replacing


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "notes.weights.h5"
    path.write_text("old")
    with replacing(path) as partial:
        assert partial.name == path.name
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_error_leaves_the_old_file_alone(tmp_path, error):
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with pytest.raises(error):
        with replacing(path) as partial:
            partial.write_text("half")
            raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["notes.txt"]


def test_files_of_the_user_are_never_replaced(tmp_path):
    """`partial-a.png` was once overwritten and deleted to write `a.png`."""
    mine = ["partial-a.png", ".a.png", ".keras-srgan-a.png", "a.png.tmp"]
    for name in mine:
        (tmp_path / name).write_text("mine")
    with replacing(tmp_path / "a.png") as partial:
        partial.write_text("result")
    assert names(tmp_path) == sorted([*mine, "a.png"])
    for name in mine:
        assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("length", [245, 255])
def test_names_may_be_as_long_as_the_file_system_allows(tmp_path, length):
    path = tmp_path / ("n" * (length - 4) + ".png")
    with replacing(path) as partial:
        partial.write_text("result")
    assert names(tmp_path) == [path.name]


def test_leftovers_are_not_taken_for_photos_and_can_be_removed(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    writer = replacing(tmp_path / "2.png")
    partial = writer.__enter__()
    partial.write_text("half")
    # As if the process had been killed here.
    assert [file.name for file in ImageFolder(tmp_path, 8).files] == ["1.png"]
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["1.png"]
    with pytest.raises(FileNotFoundError):
        writer.__exit__(None, None, None)


def test_folders_are_replaced_as_a_whole(tmp_path):
    path = tmp_path / "model"
    for content in "old", "new":
        with replacing(path) as partial:
            partial.mkdir()
            (partial / content).write_text(content)
    assert names(path) == ["new"]
    with pytest.raises(ZeroDivisionError):
        with replacing(path) as partial:
            partial.mkdir()
            raise ZeroDivisionError
    assert names(path) == ["new"]
    assert names(tmp_path) == ["model"]


def test_files_beside_it_are_moved_as_well(tmp_path):
    (tmp_path / "model.bin").write_text("old")
    with replacing(tmp_path / "model.xml") as partial:
        partial.write_text("new")
        partial.with_suffix(".bin").write_text("new")
    assert names(tmp_path) == ["model.bin", "model.xml"]
    assert (tmp_path / "model.bin").read_text() == "new"


def test_new_files_have_the_usual_permissions(tmp_path):
    usual = tmp_path / "usual"
    usual.touch()
    with replacing(tmp_path / "new") as partial:
        partial.touch()
    assert (tmp_path / "new").stat().st_mode == usual.stat().st_mode


def test_unwritable_folders_are_errors(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="`out` must be a folder.*out="):
        make_writable(out=tmp_path / "file" / "folder")
    make_writable(out=tmp_path / "new" / "folder")
    assert os.listdir(tmp_path / "new" / "folder") == []
    assert Path(tmp_path / "new" / "folder").is_dir()
