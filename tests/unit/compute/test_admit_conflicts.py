# SPDX-License-Identifier: Apache-2.0
"""What comes between an admission's claim and its record: asked again, or given back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.size import Size
from nova_xloud.errors import InvalidState, Refused
from tests.unit.compute.operations import deleted, moved, task_starts, unreachable
from tests.unit.compute.rig import NOW, Rig


@pytest.mark.parametrize("begin", [task_starts, moved, deleted])
def test_after_a_conflict_it_is_asked_again_whether_it_may_be(begin: Callable[[Rig], None]) -> None:
    # Whoever changed the claim may have moved the instance.
    rig = Rig()

    def somebody_else() -> None:
        rig.claims.somebody_else_writes(NOW)
        begin(rig)

    rig.once_before("claim", somebody_else)
    with pytest.raises(Refused):
        rig.admit(6, 3072)
    assert rig.claims.written == []
    assert rig.record.desired == Desired(NOW)


@pytest.mark.parametrize("conflicts", [1, 2])
def test_a_conflict_is_tried_again(conflicts: int) -> None:
    rig = Rig()
    rig.claims.conflicts = conflicts
    rig.admit(6)
    assert rig.claims.written == [Size(6, 2048)]
    assert rig.record.desired.target == Size(6, 2048)


def test_after_a_conflict_nothing_of_what_the_other_claimed_is_lost() -> None:
    rig = Rig()
    rig.once_before("claim", lambda: rig.claims.somebody_else_writes(Size(5, 4096)))
    rig.admit(6, 3072)
    assert rig.claims.size == Size(6, 4096)


def test_after_a_conflict_that_left_enough_claimed_nothing_is_written() -> None:
    rig = Rig()
    rig.once_before("claim", lambda: rig.claims.somebody_else_writes(Size(8, 4096)))
    rig.admit(6, 3072)
    assert rig.claims.written == []
    assert rig.record.recorded == Size(8, 4096)


def test_when_a_task_starts_after_the_claim_the_claim_is_given_back() -> None:
    rig = Rig()
    rig.once_before("record", lambda: task_starts(rig))
    with pytest.raises(InvalidState):
        rig.admit(6, 3072)
    assert rig.claims.written == [Size(6, 3072), NOW]
    assert rig.record.desired == Desired(NOW)
    assert rig.record.written == []
    assert rig.actions.started == []


def test_claim_is_given_back_when_the_instance_is_deleted_after_it() -> None:
    rig = Rig()
    rig.once_before("record", lambda: deleted(rig))
    with pytest.raises(Refused) as refusal:
        rig.admit(6, 3072)
    assert refusal.value.reason_code == "xloud.not_found"
    assert rig.claims.size == NOW


def test_a_claim_that_cannot_be_given_back_stays_and_nothing_is_desired() -> None:
    rig = Rig()

    def both() -> None:
        task_starts(rig)
        unreachable(rig)

    rig.once_before("record", both)
    with pytest.raises(Refused):
        rig.admit(6, 3072)
    assert rig.claims.size == Size(6, 3072)
    assert rig.record.desired == Desired(NOW)


def test_the_next_look_gives_back_what_a_dead_admission_left_claimed() -> None:
    rig = Rig()
    rig.claims.size = Size(6, 3072)
    assert rig.converge().converged
    assert rig.claims.size == rig.record.recorded == NOW


def test_giving_back_leaves_what_the_other_operation_claimed_alone() -> None:
    rig = Rig()
    theirs = Size(4, 2049)

    def a_migration_moves_the_claim() -> None:
        rig.record.task_state = "migrating"
        rig.claims.somebody_else_writes(theirs)

    rig.once_before("record", a_migration_moves_the_claim)
    with pytest.raises(InvalidState):
        rig.admit(6, 3072)
    assert rig.claims.size == theirs


def test_giving_back_leaves_the_claim_of_a_whole_move_in_between_alone() -> None:
    rig = Rig()
    theirs = Size(4, 2049)

    def a_resize_while_the_database_is_slow() -> None:
        rig.record.task_state = "resize_prep"
        rig.claims.move_away()
        rig.claims.come_back(theirs)
        # Counted anew, it has the generation that our own claim had left.
        rig.claims.somebody_else_writes(theirs)

    rig.once_before("record", a_resize_while_the_database_is_slow)
    with pytest.raises(InvalidState):
        rig.admit(6, 3072)
    assert rig.claims.size == theirs


def test_claim_that_cannot_be_given_back_does_not_hide_the_refusal() -> None:
    rig = Rig()

    def both() -> None:
        task_starts(rig)
        unreachable(rig)

    rig.once_before("record", both)
    with pytest.raises(InvalidState):
        rig.admit(6, 3072)
