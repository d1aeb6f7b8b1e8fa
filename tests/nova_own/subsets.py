# SPDX-License-Identifier: Apache-2.0
"""Which of Nova's test modules a subset names, and how they are split over parts."""

from __future__ import annotations

import hashlib
import importlib.util
import pathlib
from collections.abc import Iterable, Mapping, Sequence

SUITES = ("unit", "functional")
LONGEST_LABEL = 120


def nova_tests() -> pathlib.Path:
    """The folder ``nova/tests`` of the installed Nova, which is not imported for it."""
    spec = importlib.util.find_spec("nova")
    if spec is None or spec.origin is None:
        raise LookupError("there is no nova in this environment")
    return pathlib.Path(spec.origin).parent / "tests"


def modules(
    names: Iterable[str], named: Mapping[str, Sequence[str]], root: pathlib.Path
) -> dict[str, list[pathlib.Path]]:
    """The test modules of each suite, large ones first.

    :param names: ``all``, ``unit``, ``functional``, a subset, a module or a package
    :param named: the modules and packages of each subset
    :param root: :func:`nova_tests`
    :raises LookupError: a name is none of these
    """
    found: set[pathlib.Path] = set()
    for name in names:
        for one in _expand(name, named):
            found.update(_files(one, root))
    return {
        suite: sorted(files, key=lambda file: (-file.stat().st_size, file))
        for suite in SUITES
        if (files := {file for file in found if file.relative_to(root).parts[0] == suite})
    }


def label(names: Sequence[str]) -> str:
    """Of a run of these names: a folder's name too, so many are shortened."""
    name = "+".join(names)
    if len(name) <= LONGEST_LABEL:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{names[0]}+{len(names) - 1}-others-{digest}"


def part(files: Sequence[pathlib.Path], number: int, of: int) -> list[pathlib.Path]:
    """The ``number``-th of ``of`` parts, from 1: the same modules for the same Nova each time."""
    return list(files[number - 1 :: of])


def _expand(name: str, named: Mapping[str, Sequence[str]]) -> Sequence[str]:
    if name == "all":
        return SUITES
    return named.get(name, (name,))


def _files(name: str, root: pathlib.Path) -> set[pathlib.Path]:
    path = root.joinpath(*name.removeprefix("nova.tests.").split("."))
    files = {path.with_suffix(".py")} if path.with_suffix(".py").is_file() else set()
    files.update(path.rglob("test_*.py"))
    if not files:
        raise LookupError(f"{name}: this Nova has no such tests")
    return files
