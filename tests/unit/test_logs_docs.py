# SPDX-License-Identifier: Apache-2.0
"""docs/logs.md has each line that the package can log, with its level."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "nova_xloud"
PAGE = ROOT / "docs" / "logs.md"
# exception() is an ERROR, with a traceback.
LEVELS = {"debug", "info", "warning", "error", "exception"}
ROW = re.compile(r"^\| `nova_xloud\.([\w.]+)` \| (\w+) \| `([^`]+)` \| [^|]+ \|$", re.MULTILINE)


def calls() -> Iterator[tuple[str, str, str]]:
    """Module, level and message of every call of a LOG."""
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            target = node.func.value
            if isinstance(target, ast.Name) and target.id == "LOG" and node.args:
                assert node.func.attr in LEVELS, (module, node.lineno)
                message = node.args[0]
                assert isinstance(message, ast.Constant), (module, node.lineno)
                yield module, node.func.attr, str(message.value)


def test_the_table_is_what_is_logged() -> None:
    told = ROW.findall(PAGE.read_text())
    assert sorted(told) == sorted(calls())


def test_each_line_of_an_instance_names_it() -> None:
    """``grep UUID`` finds what was done to it."""
    ours = ("compute.", "adapters.")
    of_the_engine = [c for c in calls() if c[0].startswith(ours) and c[1] != "debug"]
    nameless = {message for _, _, message in of_the_engine if not message.startswith("Instance %s")}
    assert {" ".join(message.split()[:4]) for message in nameless} == {
        "A call that was",
        "A reconcile pass over",
        "Flavor %s: %s. No",
        "Notification %s was not",
        "Placement does not answer.",
        "Skipping this reconcile pass:",
        "The last reconcile pass",
    }
