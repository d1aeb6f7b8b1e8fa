# SPDX-License-Identifier: Apache-2.0
"""docs/logs.md has each line that the package can log, with its level."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "nova_xloud"
PAGE = ROOT / "docs" / "logs.md"
# exception() is an ERROR, with a traceback.
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
ROW = re.compile(r"^\| `nova_xloud\.([\w.]+)` \| (\w+) \| `([^`]+)` \| [^|]+ \|$", re.MULTILINE)
# Module and function of the lines of the engine that are of no instance, one in each. What
# they say is in the table: here their words do not count.
OF_NO_INSTANCE = {
    ("adapters.nova_objects", "bounds_of_flavor"),
    ("adapters.placement", "__init__"),
    ("compute.autoscaling.autoscaler", "_granted"),
    ("compute.autoscaling.autoscaler", "_is_left_behind"),
    ("compute.autoscaling.autoscaler", "_remember"),
    ("compute.autoscaling.autoscaler", "run_round"),
    ("compute.autoscaling.journal", "_remove_oldest"),
    ("compute.autoscaling.journal", "_tidy"),
    ("compute.autoscaling.journal", "remembered"),
    ("compute.autoscaling.journal", "write"),
    ("compute.autoscaling.loop", "_make_rounds"),
    ("compute.autoscaling.loop", "ensure"),
    ("compute.autoscaling.reading", "samples"),
    ("compute.autoscaling.report", "look"),
    ("compute.later", "_make_calls"),
    ("compute.reconcile", "_pass_while_asked_for"),
    ("compute.reconcile", "begin"),
    ("compute.reconcile", "run"),
}


class Line(NamedTuple):
    """One call of a LOG, and the innermost function that it is in."""

    module: str
    function: str
    level: str
    message: str


def lines() -> Iterator[Line]:
    """Every line that the package can log."""
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        yield from _lines(ast.parse(path.read_text()), module, "")


def _lines(node: ast.AST, module: str, function: str) -> Iterator[Line]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function = node.name
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="LOG")), args=[message, *_]):
            assert node.func.attr in LEVELS, (module, node.lineno)
            assert isinstance(message, ast.Constant), (module, node.lineno)
            yield Line(module, function, node.func.attr, str(message.value))
    for child in ast.iter_child_nodes(node):
        yield from _lines(child, module, function)


def test_the_table_is_what_is_logged() -> None:
    told = ROW.findall(PAGE.read_text())
    assert sorted(told) == sorted((line.module, line.level, line.message) for line in lines())


def test_each_line_of_an_instance_names_it() -> None:
    """``grep UUID`` finds what was done to it."""
    ours = ("compute.", "adapters.")
    nameless = [
        line
        for line in lines()
        if line.module.startswith(ours)
        and line.level != "debug"
        and not line.message.startswith("Instance %s")
    ]
    found = [(line.module, line.function) for line in nameless]
    assert sorted(found) == sorted(OF_NO_INSTANCE), nameless
