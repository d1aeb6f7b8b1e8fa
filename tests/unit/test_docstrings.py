# SPDX-License-Identifier: Apache-2.0
"""Every public name has a docstring that begins with a sentence, and no text has a private idiom.

Three kinds of methods need no docstring of their own: one that the method of a base class, or of a
Protocol that its class implements, explains already; one whose name begins with an underscore; and
one of a class that is private or is local to a function. Test methods of Tempest explain themselves
by name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (ast.ClassDef, *FUNCTIONS)

# They need the sentence before to be understood, or are idioms of this project.
NOT_SAID = (
    "likewise",
    "see there",
    "in vain",
    "as ever",
    "half way",
    "of one that",
    "is looked at",
    "is told",
)
IDIOM = re.compile(rf"\b({'|'.join(NOT_SAID)})\b", re.IGNORECASE)


def _package(path: Path) -> str:
    """The top package, or below nova_xloud the package or module there."""
    top, *rest = path.relative_to(SOURCE).parts
    return f"{top}.{rest[0].removesuffix('.py')}" if top == "nova_xloud" else top


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path, ast.parse(path.read_text())


TREES = dict(_trees())
PACKAGES = sorted({_package(path) for path in TREES})


def _explained_elsewhere() -> dict[str, set[str]]:
    """By the name of each class of this repository: its methods that have a docstring."""
    return {
        node.name: {
            member.name
            for member in node.body
            if isinstance(member, DEFINITIONS) and ast.get_docstring(member)
        }
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


EXPLAINED = _explained_elsewhere()
CLASSES = {
    node.name: [ast.unparse(base).rpartition(".")[2].partition("[")[0] for base in node.bases]
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef)
}
METHODS = {
    node.name: {member.name for member in node.body if isinstance(member, FUNCTIONS)}
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef)
}
PROTOCOLS = {name for name, bases in CLASSES.items() if "Protocol" in bases}
# Bases of libraries, with their methods that are overridden here: the library explains those.
OF_LIBRARIES = {
    "Command": {"get_parser", "produce_output", "run", "take_action"},
    "FormattableColumn": {"human_readable"},
    "BaseTestCase": {
        "resource_setup",
        "setUp",
        "setup_clients",
        "setup_credentials",
        "skip_checks",
    },
}


def _ancestors(name: str) -> Iterator[str]:
    for base in CLASSES.get(name, ()):
        yield base
        yield from _ancestors(base)


def _implemented(owner: str) -> Iterator[str]:
    """The Protocols of which a class has every method; it need not name them as bases."""
    has = METHODS[owner].union(*(METHODS.get(base, ()) for base in _ancestors(owner)))
    return (protocol for protocol in PROTOCOLS if METHODS[protocol] <= has)


def _is_excepted(node: Definition, owner: ast.ClassDef) -> bool:
    """Whether a method is explained by a base class, a Protocol, a library or its property."""
    bases = set(_ancestors(owner.name))
    if node.name.startswith("test_") and "BaseTestCase" in bases:
        return True
    if any(
        ast.unparse(d) in (f"{node.name}.setter", f"{node.name}.deleter")
        for d in node.decorator_list
    ):
        return node.name in EXPLAINED[owner.name]
    return any(
        node.name in OF_LIBRARIES.get(one, ()) or node.name in EXPLAINED.get(one, ())
        for one in (*bases, *_implemented(owner.name))
    )


def _public(body: list[ast.stmt], owner: ast.ClassDef | None = None) -> Iterator[Definition]:
    for node in body:
        if not isinstance(node, DEFINITIONS) or node.name.startswith("_"):
            continue
        if owner is None or isinstance(node, ast.ClassDef) or not _is_excepted(node, owner):
            yield node
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body, node)


def _documented(tree: ast.Module) -> Iterator[ast.Module | Definition]:
    if tree.body:
        yield tree
    yield from _public(tree.body)


def _of(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path, tree in TREES.items():
        if _package(path) == package:
            yield str(path.relative_to(SOURCE)), tree


def _where(path: str, node: ast.AST) -> str:
    return f"{path}:{getattr(node, 'lineno', 1)} {getattr(node, 'name', '')}".rstrip()


def _is_openstack_command(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        ast.unparse(base).startswith("command.") or ast.unparse(base) == "ShowCommand"
        for base in node.bases
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_have_a_docstring(package: str) -> None:
    without = [
        _where(path, node)
        for path, tree in _of(package)
        for node in _documented(tree)
        if not ast.get_docstring(node)
    ]
    assert without == []


@pytest.mark.parametrize("package", PACKAGES)
def test_first_line_is_a_sentence(package: str) -> None:
    """Of private names too. A command of ``openstack`` has a title, which has no full stop."""
    fragments = []
    for path, tree in _of(package):
        for node in ast.walk(tree):
            if not isinstance(node, (ast.Module, *DEFINITIONS)) or _is_openstack_command(node):
                continue
            first = (ast.get_docstring(node) or ".").splitlines()[0]
            if not re.search(r"[.:?]`*$", first) or first.startswith(":"):
                fragments.append(f"{_where(path, node)}: {first}")
    assert fragments == []


@pytest.mark.parametrize("package", PACKAGES)
def test_texts_have_no_idiom_of_this_project(package: str) -> None:
    """Every string counts: docstrings, log lines, helps, messages and texts of conditions."""
    found = [
        f"{_where(path, node)}: {match[0]}"
        for path, tree in _of(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for match in IDIOM.finditer(" ".join(node.value.split()))
    ]
    assert found == []
