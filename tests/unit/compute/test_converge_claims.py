# SPDX-License-Identifier: Apache-2.0
"""What a run claims and releases: before the guest is called, after it was seen.

That no less is reserved than the guest has is checked by the rig, after every effect and sleep.
"""

from __future__ import annotations

import contextlib

import pytest

from nova_xloud.compute.converge import REREAD_AFTER
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.errors import GuestRefused, NoCapacity, PlacementUnavailable
from nova_xloud.testing import Timing
from tests.unit.compute.rig import NOW, OPTIONS, Rig


def test_a_claim_that_fell_short_is_made_before_the_guest_is_told() -> None:
    rig = Rig()
    rig.record.desired = Desired(Size(6, 3072), generation=1)
    assert rig.converge().converged
    assert rig.effects == ["claim", "record", "set_definition", "set_memory", "set_vcpus"]
    assert rig.record.recorded == Size(6, 3072)


def test_guest_is_not_called_when_the_host_is_full() -> None:
    rig = Rig(capacity=Size(5, 4096))
    rig.record.desired = Desired(Size(6, 3072), generation=1)
    with pytest.raises(NoCapacity):
        rig.converge()
    assert rig.size == rig.claims.size == NOW
    assert "set_memory" not in rig.effects


def test_a_conflict_while_releasing_is_tried_again() -> None:
    rig = Rig()
    rig.admit(2, 1024)
    rig.claims.conflicts = 2
    assert rig.converge().converged
    assert rig.claims.size == Size(2, 1024)


def test_conflicts_that_do_not_follow_each_other_are_not_added_up() -> None:
    rig = Rig()
    rig.record.desired = Desired(Size(6, 1024), generation=1)
    rig.claims.conflicts = OPTIONS.claim_attempts - 1
    rig.before["set_vcpus"] = lambda: setattr(rig.claims, "conflicts", OPTIONS.claim_attempts - 1)
    assert rig.converge().converged
    assert rig.claims.written == [Size(6, 2048), Size(6, 1024)]


def test_conflicts_without_end_are_given_up_and_nothing_is_released() -> None:
    rig = Rig()
    rig.admit(2, 1024)
    rig.claims.conflicts = 100
    with pytest.raises(PlacementUnavailable, match="each of 3 writes"):
        rig.converge()
    assert rig.claims.size == NOW
    # As often as the operator says, and once when it is written how the run ended.
    assert rig.effects.count("claim") == OPTIONS.claim_attempts + 1
    assert not rig.record.desired.progress.finished


def test_nothing_is_released_while_placement_is_away_but_by_a_later_run() -> None:
    rig = Rig()
    rig.admit(2, 1024)

    def away() -> None:
        rig.claims.unreachable = True

    rig.once_before("claim", away)
    with pytest.raises(PlacementUnavailable):
        rig.converge()
    assert rig.claims.size == NOW
    assert not rig.record.desired.progress.finished
    rig.claims.unreachable = False
    assert rig.converge().converged
    assert rig.claims.size == Size(2, 1024)
    assert rig.end == ("converged", "xloud.converged")


def test_conflict_while_releasing_has_the_record_read_again_first() -> None:
    rig = Rig()
    rig.admit(2, 1024)
    theirs = Size(4, 2049)

    def a_migration_begins() -> None:
        rig.record.task_state = "migrating"
        rig.claims.somebody_else_writes(theirs)

    rig.once_before("claim", a_migration_begins)
    try:
        rig.converge()
    finally:
        assert rig.claims.size == theirs


def test_memory_that_a_guest_takes_while_it_is_awaited_is_claimed_at_once() -> None:
    rig = Rig(timing=Timing(balloon_rate=20))
    rig.takes_memory = True
    rig.admit(memory_mb=1024, force=True)
    claimed: list[float] = []
    rig.before["claim"] = lambda: claimed.append(rig.clock.now())

    def takes_more() -> None:
        rig.guest.memory.actual_kib = 3000 * 1024

    rig.once_before("sleep", takes_more)
    with contextlib.suppress(GuestRefused):
        rig.converge()
    assert claimed[0] < REREAD_AFTER / 2
    assert 2900 < rig.told("claim")[0].memory_mb <= 3000
