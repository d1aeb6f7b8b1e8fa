# SPDX-License-Identifier: Apache-2.0
"""Placement does not take back what a guest has given back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova_xloud.compute.reconcile import Reconciler
from nova_xloud.core.size import Size
from nova_xloud.errors import ClaimRefused, GuestRefused
from nova_xloud.testing import Behaviour
from nova_xloud.testing.fake_ports import FakeHostInstances
from tests.unit.compute.inline_worker import InlineWorker
from tests.unit.compute.rig import NOW, OPTIONS, Rig

LESS = Size(2, 1024)


def _overfull(rig: Rig) -> None:
    """As Placement before 14.0 with a host whose inventory was made smaller."""
    rig.claims.refuses_when_overfull = True
    rig.claims.others = Size(99, 99_500)


def _above_max_unit(rig: Rig) -> None:
    rig.claims.max_unit = Size(1, 100_000)


def _vanished(rig: Rig) -> None:
    rig.claims.without.add("VCPU")


REFUSES = pytest.mark.parametrize("refuses", [_overfull, _above_max_unit, _vanished])


@REFUSES
def test_it_is_asked_once_and_what_it_was_stays_reserved(refuses: Callable[[Rig], None]) -> None:
    rig = Rig()
    rig.admit(LESS.vcpus, LESS.memory_mb)
    refuses(rig)
    with pytest.raises(ClaimRefused, match="VCPU"):
        rig.converge()
    assert rig.claims.asked == [LESS]
    assert (rig.size, rig.claims.size, rig.record.recorded) == (LESS, NOW, NOW)
    assert rig.end == ("failed", "xloud.claim_refused")
    assert "VCPU" in rig.record.desired.progress.message


@REFUSES
def test_the_next_tries_are_spaced_and_one_of_them_succeeds(refuses: Callable[[Rig], None]) -> None:
    rig = Rig()
    rig.admit(LESS.vcpus, LESS.memory_mb)
    refuses(rig)
    with pytest.raises(ClaimRefused):
        rig.converge()
    passes = Reconciler(
        FakeHostInstances([rig.instance]), rig.boot_grace, InlineWorker(rig), OPTIONS, rig.clock.now
    )
    tried = []
    for minute in range(64):
        before = len(rig.claims.asked)
        passes.run()
        if len(rig.claims.asked) > before:
            tried.append(minute)
        rig.clock.advance(60)
    assert tried == [0, 1, 3, 7, 15, 31, 63]
    rig.claims.refuses_when_overfull, rig.claims.max_unit = False, None
    rig.claims.without.clear()
    rig.clock.advance(OPTIONS.retry_max_interval)
    passes.run()
    assert (rig.claims.size, rig.end) == (LESS, ("converged", "xloud.converged"))


@REFUSES
def test_guest_refused_is_reported_although_the_release_is_refused(
    refuses: Callable[[Rig], None],
) -> None:
    rig = Rig(behaviour=Behaviour.NO_BALLOON_DRIVER, now=Size(4, 4096))
    rig.admit(LESS.vcpus, LESS.memory_mb)
    refuses(rig)
    with pytest.raises(GuestRefused):
        rig.converge()
    assert rig.end[0] == "guest_refused"
    assert len(rig.claims.asked) == 1
    assert rig.claims.size == Size(4, 4096)


def test_growth_that_placement_refuses_for_another_reason_is_written_too() -> None:
    rig = Rig()
    _above_max_unit(rig)
    rig.admit(NOW.vcpus, 1024)
    with pytest.raises(ClaimRefused, match="max_unit is 1"):
        rig.converge()
    assert rig.end == ("failed", "xloud.claim_refused")
