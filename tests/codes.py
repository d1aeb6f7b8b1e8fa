# SPDX-License-Identifier: Apache-2.0
"""Every code that the sources have, found by reading them."""

import ast
import functools
import pathlib
import re

import nova_xloud
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.errors import Blocked, Refused

_PACKAGE = pathlib.Path(nova_xloud.__file__).parent
_CODE = re.compile(r"xloud(\.[a-z_]+)+")
# What begins like a code: a logger, and what a code is put together with.
_NO_CODES = {"xloud.refused", "xloud.blocked"}


@functools.cache
def _nodes():
    return [
        node
        for path in sorted(_PACKAGE.rglob("*.py"))
        if not path.is_relative_to(_PACKAGE / "testing")
        # What is said of codes makes none.
        if not path.is_relative_to(_PACKAGE / "core/remedies")
        for node in ast.walk(ast.parse(path.read_text()))
    ]


def _constants():
    for node in _nodes():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _blockers():
    """``why`` wherever one is made: ``Blocked(why, ...)``, ``Blocker(resource, why, ...)``, and
    the pairs that the bounds make blockers of.
    """
    for node in _nodes():
        if not isinstance(node, ast.Call):
            continue
        match node.func, node.args:
            case ast.Name(id="Blocked"), [ast.Constant(value=why), *_]:
                yield why
            case ast.Name(id="Blocker"), [_, ast.Constant(value=why), *_]:
                yield why
            case (
                ast.Attribute(attr="append"),
                [ast.Tuple(elts=[ast.Constant(value=why), ast.Constant() | ast.JoinedStr()])],
            ):
                yield why


def blocked_codes():
    """``xloud.blocked.<why>``, each of them."""
    return {f"{Blocked.PREFIX}{why}" for why in _blockers()}


def refusal_codes():
    """The codes with which the API may refuse a request."""
    fixed = {cls.code for cls in Refused.__subclasses__() if "code" in vars(cls)}
    return fixed | blocked_codes()


def all_codes():
    """The codes of refusals, conditions and outcomes, sorted."""
    spelled = {text for text in _constants() if _CODE.fullmatch(text)}
    made = {f"xloud.{phase.value}" for phase in Phase}
    return sorted((spelled | made | blocked_codes()) - _NO_CODES)


def finding_codes():
    """The codes of the rules that the check of the invariants may find broken, and of its notes."""
    found = set()
    for node in _nodes():
        if not isinstance(node, ast.Call):
            continue
        match node.func, node.args:
            case ast.Name(id="Finding"), [ast.Constant(value=code), *_]:
                found.add(code)
            case ast.Name(id="_about"), [_, ast.Constant(value=code), *_]:
                found.add(code)
    return found
