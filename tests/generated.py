# SPDX-License-Identifier: Apache-2.0
"""Files that are generated and kept: `make generate` writes them, tests compare them."""

import os
import pathlib

ROOT = pathlib.Path(__file__).parent.parent


def check(path, text):
    """That the file, named from the top of the repository, has this text."""
    kept = ROOT / path
    if os.environ.get("NOVA_XLOUD_WRITE_GENERATED") == "1":
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(text)
    assert kept.exists(), f"{path} is missing: make generate"
    assert text == kept.read_text(), f"{path} is not what is generated now: make generate"
