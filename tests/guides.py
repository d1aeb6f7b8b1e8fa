# SPDX-License-Identifier: Apache-2.0
"""What pages of docs/ tell readers to run, so that tests run just that."""

import pathlib
import re

_REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def script(page: str) -> str:
    """The one script in Python of a page; by its path from the repository's root."""
    text = (_REPOSITORY / page).read_text()
    (found,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return found
