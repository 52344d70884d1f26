"""Print the first shell command that clones the project in a section of README.

python3 .ci/readme_command.py 'Quick start' >command.sh
"""

import pathlib
import re
import sys

readme = pathlib.Path(__file__).parents[1] / "README.md"
sections = re.split(r"^## (.*)$", readme.read_text("utf-8"), flags=re.MULTILINE)
section = dict(zip(sections[1::2], sections[2::2], strict=True))[sys.argv[1]]
blocks = re.findall(r"^```shell\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
print(next(block for block in blocks if block.startswith("git clone")), end="")
