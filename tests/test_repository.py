"""Facts that several files of the repository state must agree."""

import pathlib
import re
import tomllib

import pytest

import keras_srgan

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def test_one_version():
    assert keras_srgan.__version__ == PROJECT["version"]
    assert f"\nversion: {PROJECT['version']}\n" in read("CITATION.cff")


@pytest.mark.parametrize(
    "path",
    [
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "README.md",
        ".github/ISSUE_TEMPLATE/config.yml",
    ],
)
def test_addresses_are_those_of_pyproject(path):
    # The name of the repository's owner is in one pattern of addresses only.
    addresses = re.findall(
        r"https://(?:github\.com/[\w-]+|[\w-]+\.github\.io)/keras-srgan",
        read(path),
    )
    allowed = {url.rstrip("/") for url in PROJECT["urls"].values()}
    assert set(addresses) <= allowed


def test_api_pages_have_all_public_names():
    pages = "".join(read(path) for path in (ROOT / "docs/api").glob("*.md"))
    documented = re.findall(r"^::: keras_srgan\.(\w+)$", pages, re.MULTILINE)
    assert set(keras_srgan.__all__) <= set(documented)


def test_packages_on_api_pages_list_their_names():
    # Without `__all__`, the page of a package would be empty.
    pages = "".join(read(path) for path in (ROOT / "docs/api").glob("*.md"))
    for name in re.findall(
        r"^::: (keras_srgan\.[a-z_]+)$", pages, re.MULTILINE
    ):
        package = ROOT / name.replace(".", "/") / "__init__.py"
        if package.exists():
            assert "\n__all__ = [" in package.read_text(encoding="utf-8"), name


def test_type_checkers_see_the_public_names():
    imported = re.findall(
        r"^    from keras_srgan\.(\w+) import (\w+)$",
        read("keras_srgan/__init__.py"),
        re.MULTILINE,
    )
    assert {name: module for module, name in imported} == keras_srgan._MODULES


def test_workflows_install_extras_that_exist():
    extras = PROJECT["optional-dependencies"]
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        for names in re.findall(r"\.\[([\w,$]+)\]", path.read_text()):
            assert set(names.split(",")) - {"$BACKEND"} <= extras.keys(), path


def test_docs_workflow_installs_the_docs_extra():
    workflow = read(".github/workflows/docs.yml")
    for requirement in PROJECT["optional-dependencies"]["docs"]:
        assert requirement in workflow
