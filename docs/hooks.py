"""Builds the site from Markdown files wherever they are in the repository.

Files keep the relative links that work on GitHub. Here a link to a file that
is a page of the site becomes a link to that page, a picture is copied, and a
link to any other file leads to the repository.
"""

import os
import re
import tomllib
from pathlib import Path

from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
# Files outside docs/ to their pages.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    **{
        card.relative_to(ROOT).as_posix(): f"models/{card.parent.name}.md"
        for card in ROOT.glob("keras_srgan/weights/*/README.md")
    },
}
PICTURES = (".gif", ".jpg", ".png", ".svg", ".webp")
# A fenced block, to be skipped, or the target of a Markdown link.
LINK = re.compile(r"^```.*?^```|(?<=\]\()[^)\s]+", re.MULTILINE | re.DOTALL)

log = get_plugin_logger("links")


def on_config(config):
    # pyproject.toml is the one place that names the addresses.
    with open(ROOT / "pyproject.toml", "rb") as file:
        urls = tomllib.load(file)["project"]["urls"]
    config.repo_url = urls["Repository"]
    config.repo_name = config.repo_url.removeprefix("https://github.com/")
    config.site_url = urls["Documentation"]
    return config


def on_files(files, config):
    for source, target in PAGES.items():
        path = str(ROOT / source)
        files.append(File.generated(config, target, abs_src_path=path))
    for path in ROOT.glob("examples/pictures/*"):
        if path.suffix in PICTURES:
            uri = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    uri = page.file.src_uri
    source = {page: file for file, page in PAGES.items()}.get(
        uri, f"docs/{uri}"
    )

    def convert(match):
        link = match[0]
        if link.startswith(("```", "#")) or "://" in link or ":" in link[:8]:
            return link
        path, hash, anchor = link.partition("#")
        path = os.path.normpath(os.path.join(os.path.dirname(source), path))
        if not (ROOT / path).exists():
            log.warning("%s links to %s, which does not exist", source, link)
        target = PAGES.get(path, path.removeprefix("docs/"))
        if path.startswith("docs/") or files.get_file_from_path(target):
            start = os.path.dirname(uri)
            return os.path.relpath(target, start or ".") + hash + anchor
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"{config.repo_url}/{kind}/main/{path}{hash}{anchor}"

    return LINK.sub(convert, markdown)
