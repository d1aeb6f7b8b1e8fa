# SPDX-License-Identifier: Apache-2.0
"""Every name of Nova that our code spells out is in the installed Nova: constants, exceptions, all.

The seams say what our code does with Nova, and their signatures. This needs no list to be kept.
"""

import ast
import importlib
import pathlib

import pytest

import nova_xloud

SOURCES = sorted(pathlib.Path(nova_xloud.__file__).parent.rglob("*.py"))
# Asks each release for what that one has, behind an `if`; its rows are in the table of seams.
SOURCES.remove(pathlib.Path(nova_xloud.__file__).with_name("releases.py"))


def _names(tree):
    """``nova.exception.OverQuota`` and so on, as a module's imports and attributes spell them."""
    bound = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nova":
            bound |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            ours = [a for a in node.names if a.name.split(".")[0] == "nova"]
            bound |= {a.asname or "nova": a.name if a.asname else "nova" for a in ours}
    imported = set(bound.values())
    for node in ast.walk(tree):
        # A local variable or an argument of the same name is something else.
        if isinstance(node, ast.arg):
            bound.pop(node.arg, None)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.pop(node.id, None)

    def spelled(node):
        if isinstance(node, ast.Name):
            return bound.get(node.id)
        if isinstance(node, ast.Attribute) and (owner := spelled(node.value)):
            return f"{owner}.{node.attr}"
        return None

    attributes = {spelled(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    return (imported | attributes) - {None}


def _is_there(name):
    found = importlib.import_module("nova")
    for at, part in enumerate(name.split(".")[1:], start=2):
        if not hasattr(found, part):
            try:
                importlib.import_module(".".join(name.split(".")[:at]))
            except ImportError:
                return False
        found = getattr(found, part)
        if isinstance(found, type(importlib.import_module("nova.conf").CONF)):
            # What is below are options, and those that are read have their own tests.
            return True
    return True


def test_names_are_read_as_they_are_spelled():
    tree = ast.parse(
        "import nova.conf\nfrom nova import objects\nfrom nova.compute import api as a\n"
        "x = nova.conf.CONF.xloud\ny = objects.Instance.get\nz = a.b(other.c)\n"
    )
    assert _names(tree) == {
        "nova", "nova.conf", "nova.conf.CONF", "nova.conf.CONF.xloud", "nova.objects",
        "nova.objects.Instance", "nova.objects.Instance.get", "nova.compute.api",
        "nova.compute.api.b",
    }  # fmt: skip


def test_a_name_that_is_not_there_is_missed():
    assert _is_there("nova.exception.OverQuota")
    assert not _is_there("nova.exception.NoSuchException")
    assert not _is_there("nova.no_such_module.name")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path).split("nova_xloud/")[-1])
def test_all_names_are_in_the_installed_nova(source):
    importlib.import_module("nova.objects").register_all()
    missing = sorted(n for n in _names(ast.parse(source.read_text())) if not _is_there(n))
    assert not missing
