# SPDX-License-Identifier: Apache-2.0
"""What the history of a server's adjustments says after runs of the engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.errors import DomainCallFailed, GuestRefused, XloudError
from nova_xloud.testing import Behaviour
from tests.unit.compute.rig import OPTIONS, Rig


def _told(rig: Rig) -> list[tuple[str, str]]:
    return [(entry.outcome, entry.code) for entry in rig.record.desired.history.entries()]


def test_admitted_and_then_reached() -> None:
    rig = Rig()
    rig.admit(2, 1024)
    assert _told(rig) == [("admitted", "xloud.admitted")]
    rig.converge()
    assert _told(rig) == [("converged", "xloud.converged")]


def test_refusal_is_told_until_a_later_run_reaches_the_size() -> None:
    rig = Rig(behaviour=Behaviour.REFUSES)
    with pytest.raises(GuestRefused) as refused:
        rig.adjust(2, 1024)
    assert _told(rig) == [("guest_refused", refused.value.code)]
    rig.guest.behaviour = Behaviour.COOPERATIVE
    rig.clock.advance(3600)
    rig.converge()
    assert _told(rig) == [("converged", "xloud.converged")]


def test_given_up_is_told_also_after_a_run_has_converged() -> None:
    def fails() -> None:
        raise DomainCallFailed("QEMU has no CPU left to add")

    rig = Rig(options=replace(OPTIONS, give_up_after=2))
    rig.before["set_vcpus"] = fails
    rig.admit(6)
    for _ in range(2):
        rig.clock.advance(3600)
        with pytest.raises(XloudError):
            rig.converge()
    gave_up = [("gave_up", "xloud.gave_up.failed")]
    assert _told(rig) == gave_up
    del rig.before["set_vcpus"]
    rig.converge()
    assert rig.end[0] == "converged"
    assert _told(rig) == gave_up
