# SPDX-License-Identifier: Apache-2.0
"""One step: its effect on the ports, and what the run remembers of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nova_xloud.compute.execute import execute
from nova_xloud.compute.observe import observe
from nova_xloud.compute.ports import ClaimConflict
from nova_xloud.core.convergence import steps
from nova_xloud.core.convergence.next_step import next_step
from nova_xloud.core.convergence.steps import RunState
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Phase, Progress
from nova_xloud.core.size import Size
from nova_xloud.errors import (
    DomainCallFailed,
    DomainNotFound,
    DomainNotRunning,
    GuestRefused,
    InvalidState,
    NoCapacity,
)
from nova_xloud.testing import Behaviour
from nova_xloud.testing.behaviour import Rejected
from tests.unit.compute.rig import NOW, Rig

NOWHERE = "1970-01-01T00:00:00Z"


def executed(rig: Rig, step: steps.Step, run_state: RunState = RunState()) -> RunState:  # noqa: B008
    with rig.lock(2.0):
        return execute(step, rig.instance, observe(rig.instance), run_state, NOWHERE)


def test_a_release_is_written_and_nothing_else() -> None:
    rig = Rig()
    assert executed(rig, steps.Release(Size(6, 3072))) == RunState()
    assert rig.done == [("claim", Size(6, 3072))]


def test_columns_follow_a_claim_at_once() -> None:
    """The run may wait for its guest after it, and the columns are what quotas count."""
    rig = Rig()
    before = rig.record.desired
    assert executed(rig, steps.Claim(Size(6, 3072))) == RunState()
    assert [what for what, _ in rig.done] == ["claim", "record"]
    assert (rig.record.recorded, rig.record.desired) == (Size(6, 3072), before)
    rig.done.clear()
    rig.claims.size = NOW
    executed(rig, steps.Claim(Size(6, 3072)))
    assert [what for what, _ in rig.done] == ["claim"]


def test_a_claim_is_of_what_was_read() -> None:
    rig = Rig()
    rig.claims.conflicts = 1
    with pytest.raises(ClaimConflict):
        executed(rig, steps.Claim(Size(6, 3072)))
    full = Rig(capacity=NOW)
    with pytest.raises(NoCapacity):
        executed(full, steps.Claim(Size(6, 3072)))
    assert rig.claims.size == full.claims.size == NOW


@pytest.mark.parametrize(
    ("step", "run_state", "effect"),
    [
        (steps.SetMemory(1500), RunState(balloon_target_mb=1500), ("set_memory", 1500)),
        (steps.SetVcpus(3), RunState(vcpus_requested=3), ("set_vcpus", 3)),
        (steps.SetOnline(3), RunState(online_requested=3), ("set_vcpus_online", 3)),
    ],
)
def test_what_is_commanded_is_remembered(
    step: steps.Step, run_state: RunState, effect: tuple[str, Any]
) -> None:
    rig = Rig(agent=True)
    other = RunState(balloon_target_mb=1, vcpus_requested=1, online_requested=1)
    after = executed(rig, step, other)
    assert rig.done == [effect]
    merged = {
        name: getattr(run_state, name) or getattr(other, name)
        for name in ("balloon_target_mb", "vcpus_requested", "online_requested")
    }
    assert after == replace(other, **merged)


@pytest.mark.parametrize(
    ("step", "removal_pending"),
    [(steps.MarkRemoval(2), 2), (steps.RemovalSettled(), None)],
)
def test_a_removal_is_written_down(step: steps.Step, removal_pending: int | None) -> None:
    rig = Rig()
    rig.record.desired = Desired(Size(2, 1024), removal_pending=3)
    executed(rig, step)
    assert rig.record.desired == Desired(Size(2, 1024), removal_pending=removal_pending)
    # What is reserved, and not what is desired.
    assert rig.record.recorded == NOW


@pytest.mark.parametrize(("before", "begun"), [(None, True), (3, False)])
def test_who_has_begun_a_removal_is_remembered(before: int | None, begun: bool) -> None:
    rig = Rig()
    rig.record.desired = Desired(Size(2, 1024), removal_pending=before)
    assert executed(rig, steps.MarkRemoval(2)).removal_marked is begun


def test_what_was_live_is_forgotten() -> None:
    rig = Rig(running=False)
    rig.record.desired = Desired(NOW, live=Size(2, 1024), removal_pending=2, force=True)
    executed(rig, steps.DropLiveSize())
    assert rig.record.desired == Desired(NOW, force=True)


def test_the_end_is_written_where_it_is_new() -> None:
    rig = Rig()
    rig.record.desired = Desired(NOW, progress=Progress(Phase.ADMITTED, "xloud.admitted"))
    executed(rig, steps.Converged())
    progress = rig.record.desired.progress
    assert (progress.phase, progress.code, progress.since) == (
        Phase.CONVERGED,
        "xloud.converged",
        NOWHERE,
    )
    rig.effects.clear()
    executed(rig, steps.Converged())
    assert rig.effects == []


def test_the_columns_are_written_although_the_record_says_it_already() -> None:
    rig = Rig()
    rig.record.recorded = Size(1, 1)
    executed(rig, steps.SetRecorded(NOW))
    assert (rig.effects, rig.record.recorded) == (["record"], NOW)


@pytest.mark.parametrize(
    "step",
    [
        steps.Await("xloud.x", "what", 1),
        steps.Stuck("xloud.x", "why"),
        steps.Deferred("why"),
        steps.NoRoom(Size(6, 3072)),
    ],
)
def test_what_waits_or_gives_up_does_nothing(step: steps.Step) -> None:
    rig = Rig()
    assert executed(rig, step) == RunState()
    assert rig.effects == []


def test_what_it_starts_with_is_set_by_a_step_of_its_own() -> None:
    rig = Rig()
    executed(rig, steps.SetMemory(1500))
    executed(rig, steps.SetVcpus(3))
    assert rig.definition == NOW
    assert executed(rig, steps.SetDefinition(Size(2, 1024))) == RunState(
        definition_set=Size(2, 1024)
    )
    assert rig.definition == Size(2, 1024)
    assert rig.size.vcpus == 3


# --- removals --------------------------------------------------------------------------------


def _marked(rig: Rig, pending: int | None = 2) -> None:
    rig.record.desired = Desired(Size(2, 2048), generation=1, removal_pending=pending)


def test_a_removal_that_timed_out_keeps_its_mark() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    _marked(rig)
    after = executed(rig, steps.SetVcpus(2), RunState(removal_marked=True))
    assert (after.vcpus_requested, rig.record.desired.removal_pending) == (2, 2)
    # It is no refusal: the run waits for it, by its own time.
    assert (after.removal_late, after.removal_error) == (True, None)


@pytest.mark.parametrize(("begun", "mark"), [(True, None), (False, 2)], ids=["own", "earlier"])
def test_a_removal_that_fails_at_once_unmarks_only_what_this_run_has_begun(
    begun: bool, mark: int | None
) -> None:
    # What an earlier run began may still happen.
    rig = Rig(behaviour=Behaviour.REFUSES)
    _marked(rig)
    after = executed(rig, steps.SetVcpus(2), RunState(removal_marked=begun))
    assert after.removal_error is not None
    assert "stays claimed" in after.removal_error
    # It is taken back by the next step, from a new reading: the call may have taken long.
    assert after.removal_undone is begun
    assert rig.record.desired.removal_pending == 2
    rig.define(Size(2, 2048))
    following = next_step(observe(rig.instance).state, after)
    assert isinstance(following, steps.RemovalSettled) is begun
    if begun:
        assert not executed(rig, following, after).removal_undone
    assert rig.record.desired.removal_pending == mark
    assert rig.record.recorded == NOW


def test_retried_removal_that_fails_leaves_the_mark_of_the_one_before() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    rig.guest.behaviour = Behaviour.REFUSES
    for vcpus in (2, 3):
        rig.admit(vcpus)
        with pytest.raises(GuestRefused):
            rig.converge()
        # A vCPU must not be added: what was begun may still happen.
        assert rig.record.desired.removal_pending == 2
        assert rig.recorded_conditions == ["RemovalUnsettled"]
    rig.admit(4)
    assert rig.record.desired.removal_pending == 2


def test_a_removal_that_goes_on_from_an_earlier_one_keeps_the_lower_mark() -> None:
    rig = Rig(behaviour=Behaviour.REMOVAL_TIMES_OUT)
    with pytest.raises(GuestRefused):
        rig.adjust(3)
    assert rig.record.desired.removal_pending == 3
    rig.guest.behaviour = Behaviour.REFUSES
    with pytest.raises(GuestRefused):
        rig.adjust(2)
    assert rig.record.desired.removal_pending == 2


def test_an_add_that_fails_is_not_a_removal_that_was_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()
    rig.claims.size = Size(6, 2048)

    def fails(*args: object, **kwargs: object) -> None:
        raise Rejected("VIR_ERR_SYSTEM_ERROR", "monitor")

    monkeypatch.setattr(rig.guest, "set_vcpus", fails)
    with pytest.raises(DomainCallFailed):
        executed(rig, steps.SetVcpus(6))
    assert executed(rig, steps.SetVcpus(2)).removal_error is not None


# --- the agent and the domain ----------------------------------------------------------------


@pytest.mark.parametrize(
    "constant",
    [
        "VIR_ERR_AGENT_UNRESPONSIVE",
        "VIR_ERR_ARGUMENT_UNSUPPORTED",
        "VIR_ERR_INTERNAL_ERROR",
        "VIR_ERR_INVALID_ARG",
    ],
)
def test_an_agent_that_does_not_do_it_is_not_asked_again(
    constant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(agent=True)

    def fails(count: int) -> None:
        raise Rejected(constant, "no")

    monkeypatch.setattr(rig.guest, "set_online", fails)
    error = f"fake domain: no ({constant})"
    after = RunState(online_requested=4, online_error=error)
    assert executed(rig, steps.SetOnline(4)) == after
    assert not steps.took_effect(steps.SetOnline(4), RunState(), after)


@pytest.mark.parametrize(
    ("before", "after", "is_taken"),
    [
        (RunState(), RunState(vcpus_requested=2), True),
        (RunState(), RunState(vcpus_requested=2, removal_late=True), False),
        # The second of two vCPUs is late as the first was.
        (
            RunState(vcpus_requested=2, removal_late=True, vcpus_when_late=4),
            RunState(vcpus_requested=2, removal_late=True),
            False,
        ),
        (RunState(), RunState(vcpus_requested=2, removal_error="refused"), False),
        (RunState(removal_error="refused"), RunState(removal_error="refused"), True),
        (RunState(), RunState(domain_busy="busy"), False),
    ],
)
def test_vcpus_that_libvirt_did_not_set_are_not_taken_for_set(
    before: RunState, after: RunState, is_taken: bool
) -> None:
    assert steps.took_effect(steps.SetVcpus(2), before, after) is is_taken


def test_a_domain_that_has_gone_is_not_an_agent_that_does_not_answer() -> None:
    rig = Rig(agent=True)
    rig.once_before("set_vcpus_online", rig.guest.stop)
    with pytest.raises(DomainNotRunning):
        executed(rig, steps.SetOnline(4))


@pytest.mark.parametrize(
    "step", [steps.SetMemory(1500), steps.SetVcpus(3), steps.SetOnline(3)], ids=str
)
def test_where_there_was_no_domain_nothing_is_told(step: steps.Step) -> None:
    rig = Rig(running=False)
    rig.guest.undefine()
    with pytest.raises(DomainNotRunning):
        executed(rig, step)


def _gone(rig: Rig) -> None:
    rig.guest.undefine()
    rig.guest.stop()


@pytest.mark.parametrize(
    ("step", "effect"),
    [
        (steps.SetDefinition(Size(2, 1024)), "set_definition"),
        (steps.SetMemory(1500), "set_memory"),
        (steps.SetVcpus(3), "set_vcpus"),
        (steps.SetOnline(3), "set_vcpus_online"),
    ],
)
def test_a_domain_that_goes_meanwhile_is_an_error(step: steps.Step, effect: str) -> None:
    rig = Rig(agent=True)
    rig.once_before(effect, lambda: _gone(rig))
    with pytest.raises((DomainNotFound, DomainNotRunning)):
        executed(rig, step)


@pytest.mark.parametrize(
    "step",
    [
        steps.MarkRemoval(2),
        steps.RemovalSettled(),
        steps.DropLiveSize(),
        steps.SetRecorded(NOW),
        steps.Converged(),
    ],
    ids=str,
)
def test_what_is_written_is_refused_while_a_task_runs(step: steps.Step) -> None:
    rig = Rig(running=not isinstance(step, steps.DropLiveSize))
    rig.record.desired = Desired(
        NOW,
        live=Size(2, 1024),
        removal_pending=1,
        progress=Progress(Phase.ADMITTED, "xloud.admitted"),
    )
    before = rig.record.desired
    rig.once_before("record", lambda: setattr(rig.record, "task_state", "rebooting"))
    with pytest.raises(InvalidState):
        executed(rig, step)
    assert rig.record.desired is before
