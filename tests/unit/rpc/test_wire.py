# SPDX-License-Identifier: Apache-2.0
"""How a refusal crosses RPC, and that codes and statuses are what the tree says."""

from __future__ import annotations

import inspect
import json
import re

import pytest

from nova_xloud import errors
from nova_xloud.errors import Blocked, Refused

CLASSES = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, Refused) and cls not in (Refused, Blocked) and cls.__name__[0] != "_"
]


def crossed(refusal: Refused) -> Refused:
    return Refused.from_wire(json.loads(json.dumps(refusal.to_wire())))


@pytest.mark.parametrize("cls", CLASSES)
def test_a_refusal_comes_out_as_it_went_in(cls: type[Refused]) -> None:
    refusal = cls("because")
    out = crossed(refusal)
    assert type(out) is cls
    assert (out.reason_code, out.status, out.message) == (cls.code, cls.status, "because")
    assert str(out) == f"{cls.code}: because"


def test_a_blocker_keeps_its_why() -> None:
    out = crossed(Blocked("huge_pages", "pinned"))
    assert isinstance(out, Blocked)
    assert (out.why, out.reason_code) == ("huge_pages", "xloud.blocked.huge_pages")
    assert (out.status, out.message) == (409, "pinned")


def test_a_blocker_that_this_version_does_not_know_is_a_blocker() -> None:
    out = Refused.from_wire({"code": "xloud.blocked.moon", "status": 409, "message": "full"})
    assert isinstance(out, Blocked)
    assert out.why == "moon"


@pytest.mark.parametrize("code", ["xloud.later", "xloud.guest_refused"])
def test_a_code_that_this_version_does_not_know_survives_with_its_status(code: str) -> None:
    wire = {"code": code, "status": 503, "message": "because"}
    out = Refused.from_wire(wire)
    assert (out.reason_code, out.status, out.message) == (code, 503, "because")
    assert crossed(out).to_wire() == wire


def test_the_root_of_refusals_crosses_too() -> None:
    assert crossed(Refused("because")).to_wire() == Refused("because").to_wire()


def test_every_refusal_has_a_code_of_its_own() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(set(codes)) == len(codes) >= 9
    assert all(code.startswith("xloud.") for code in codes)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_tree_in_the_docstring_tells_status_and_code(cls: type[Refused]) -> None:
    drawn = dict(re.findall(r"── (\w+) +(\d{3} +xloud\.\S+)", errors.__doc__ or ""))
    assert drawn[cls.__name__].split() == [str(cls.status), cls.code]


def test_the_tree_in_the_docstring_has_every_class() -> None:
    drawn = set(re.findall(r"(?:── |^)(\w+)", errors.__doc__ or "", re.MULTILINE))
    public = [
        name
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if cls.__module__ == errors.__name__ and not name.startswith("_")
    ]
    assert "XloudError" in public
    assert not set(public) - drawn - {"XloudError"}


def test_what_goes_into_an_instance_action_event_has_the_code() -> None:
    assert errors.NoCapacity("full").format_message() == "xloud.no_capacity: full"
    refused = errors.GuestRefused("xloud.guest_refused.memory_floor", "kept")
    assert refused.format_message() == "xloud.guest_refused.memory_floor: kept"
    assert errors.AdjustmentDeferred("paused").format_message() == "xloud.deferred: paused"
