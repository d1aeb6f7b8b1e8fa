# SPDX-License-Identifier: Apache-2.0
"""Text of images, which tenants write, is one line of visible text in every message."""

import pytest

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.blockers import Blocker
from nova_xloud.core.sizing.bounds import VCPUS, FlavorFacts, bounds_of
from nova_xloud.core.sizing.facts import IMAGE_PROPERTIES
from nova_xloud.core.sizing.fit import rebuild_refusal
from nova_xloud.errors import (
    AdjustmentDeferred,
    Blocked,
    DomainCallFailed,
    GuestRefused,
    NoCapacity,
    UnfitNova,
    XloudError,
)

FORGED = "large\n2026-12-01 CRITICAL [-] forged\x1b[2J\u2028\u202e"
# What makes a property be repeated that is read in the company of others only.
TOGETHER = {"hw_mem_encryption": "true"}
STOCK = FlavorFacts(Size(4, 1024))


@pytest.mark.parametrize("name", IMAGE_PROPERTIES)
@pytest.mark.parametrize("begin", ["", "windows", "virt", "mixed", "s390x"])
def test_no_property_of_an_image_breaks_a_line_of_a_message(name: str, begin: str) -> None:
    facts = FlavorFacts(Size(4, 1024), {}, {name: begin + FORGED, **TOGETHER})
    bounds = bounds_of(facts)
    blockers = [*bounds.blockers, *filter(None, [bounds.removal])]
    told = [one.message for one in blockers]
    assert told
    for smallest in (Size(1, 256), Size(1, 1024)):
        told.append(rebuild_refusal(smallest, STOCK, facts) or "-")
    assert [text for text in told if not text.isprintable()] == []


def test_a_blocker_is_one_line_whoever_makes_it() -> None:
    assert Blocker(VCPUS, "why", "a\nb").message == r"a\nb"


@pytest.mark.parametrize(
    "error",
    [
        NoCapacity(FORGED),
        Blocked("why", FORGED),
        GuestRefused("xloud.guest_refused.memory_floor", FORGED),
        AdjustmentDeferred(FORGED),
        DomainCallFailed(FORGED),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_one_line_whoever_raises_it(error: XloudError) -> None:
    for text in (str(error), error.message, error.format_message()):
        assert text.isprintable()
        assert "forged" in text


def test_seams_that_do_not_fit_have_a_line_each() -> None:
    assert str(UnfitNova(["one", "two"])).splitlines()[1:] == ["  one", "  two"]
