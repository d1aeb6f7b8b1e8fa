# SPDX-License-Identifier: Apache-2.0
"""What the engine tells its meter."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lab.patience import LIMIT
from nova_xloud.compute.converge import converge
from nova_xloud.compute.host import Host
from nova_xloud.compute.meter import NoMeter, PassEntry, ending
from nova_xloud.compute.reconcile import Reconciler
from nova_xloud.compute.worker import Worker
from nova_xloud.core.convergence.drift import CODES
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.core.instance.sample import Sample
from nova_xloud.core.size import Observed, Size
from nova_xloud.core.sizing.bounds import HostFacts
from nova_xloud.errors import DomainCallFailed, GuestRefused, NoCapacity, OutOfBounds
from nova_xloud.testing import Behaviour
from nova_xloud.testing.fake_ports import FakeHostInstances
from tests.unit.compute.rig import MAXIMUM, NOW, UUID, Rig, at_once


class Notes(NoMeter):
    """A meter that notes each call; samples and pass entries are kept apart."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.samples: list[Sample] = []
        self.seen: dict[str, PassEntry] = {}

    def refused(self, code: str) -> None:
        self.told.append(("refused", code))

    def admitted(self, uuid: str, generation: int, began: float, *, nothing_to_do: bool) -> None:
        self.told.append(("admitted", uuid, generation, nothing_to_do))

    def sampled(self, uuid: str, sample: Sample, project_id: str = "") -> None:
        assert uuid == UUID
        self.samples.append(sample)

    def ended(self, uuid: str, phase: Phase, code: str, *, asked: bool) -> None:
        self.told.append(("ended", phase, code, asked))

    def drifted(self, uuid: str, why: str) -> None:
        self.told.append(("drifted", uuid, why))

    def pass_finished(self, seconds: float, seen: Mapping[str, PassEntry]) -> None:
        self.told.append(("passed", seconds))
        self.seen = dict(seen)


def host_of(rig: Rig, notes: Notes) -> tuple[Host, Worker]:
    worker = Worker(
        rig.options,
        at_once(
            lambda instance, options, clock: rig.carry_out(
                converge(instance, options, rig.engine_clock, notes)
            )
        ),
        notes,
    )
    host_instances = FakeHostInstances([rig.instance])
    host = Host(
        lambda context, instance: rig.instance,
        host_instances,
        HostFacts(),
        rig.options,
        rig.boot_grace,
        worker,
        notes,
    )
    return host, worker


def adjusted(rig: Rig, *sizes: int | None) -> Notes:
    notes = Notes()
    host, worker = host_of(rig, notes)
    try:
        host.adjust("context", "instance", AdjustRequest(*sizes))
    except OutOfBounds:
        return notes
    # Behind the run of the adjustment.
    follower = worker.submit(rig.instance)
    follower.exception(LIMIT)
    return notes


def test_an_adjustment_is_admitted_and_ends() -> None:
    notes = adjusted(Rig(), 6, 3072)
    assert notes.told[:2] == [
        ("admitted", UUID, 1, False),
        ("ended", Phase.CONVERGED, "", True),
    ]


def test_its_readings_go_from_what_there_was_to_what_is_desired() -> None:
    samples = adjusted(Rig(), 6, 3072).samples
    target = Size(6, 3072)
    assert {one.desired for one in samples} == {target}
    assert samples[0].actuated == NOW
    assert samples[0].reserved == target
    assert "Converged" not in samples[0].conditions
    last = samples[-1]
    assert (last.actuated, last.observed, last.conditions) == (
        target,
        Observed(None, target.memory_mb),
        frozenset({"Converged"}),
    )


def test_a_refusal_is_told_with_its_code() -> None:
    assert adjusted(Rig(), 99, None).told == [("refused", "xloud.out_of_bounds")]


def test_a_refusal_before_the_quota_is_rechecked_is_told_too() -> None:
    notes = Notes()
    host = host_of(Rig(), notes)[0]
    with pytest.raises(OutOfBounds):
        host.reserve("context", "instance", AdjustRequest(99, None))
    assert notes.told == [("refused", "xloud.out_of_bounds")]


def test_asking_for_what_it_has_is_told_as_that() -> None:
    notes = adjusted(Rig(), NOW.vcpus, NOW.memory_mb)
    assert notes.told[0] == ("admitted", UUID, 0, True)


def test_a_guest_that_refuses_ends_with_its_code_and_what_stays_reserved() -> None:
    rig = Rig(behaviour=Behaviour.NO_BALLOON_DRIVER)
    notes = adjusted(rig, None, 1536)
    phase, code = notes.told[1][1:3]
    assert phase is Phase.GUEST_REFUSED
    assert code.startswith("xloud.guest_refused.")
    last = notes.samples[-1]
    assert "GuestRefused" in last.conditions
    assert last.reserved == rig.claims.size


def test_a_run_that_nobody_asked_for_is_not_an_adjustments() -> None:
    rig, notes = Rig(), Notes()
    worker = host_of(rig, notes)[1]
    worker.submit(rig.instance).result(LIMIT)
    assert notes.told == [("ended", Phase.CONVERGED, "", False)]


@pytest.mark.parametrize("effect", ["set_definition", "set_vcpus"])
def test_a_step_that_libvirt_refuses_is_not_logged_as_done(
    effect: str, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses() -> None:
        raise DomainCallFailed("no")

    rig = Rig()
    rig.admit(3, 2048)
    rig.before[effect] = refuses
    with caplog.at_level(logging.INFO, "nova_xloud.compute"), pytest.raises(GuestRefused):
        rig.converge()
    done = [r.getMessage() for r in caplog.records if "step done" in r.getMessage()]
    of_effect = "definition set" if effect == "set_definition" else "vCPUs in QEMU"
    assert [line for line in done if of_effect in line] == []
    said = "refused to remove vCPUs" if effect == "set_vcpus" else "next start could not be set"
    assert said in caplog.text


def test_a_run_says_for_whom_it_does_what_another_request_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.request_id = "req-asked"
    rig.admit(6, 3072)
    with caplog.at_level(logging.INFO, "nova_xloud.compute.converge"):
        rig.converge()
        assert "vCPUs in QEMU set to 6." in caplog.text
        assert "asked" not in caplog.text
        rig.admit(5, 3072)
        rig.request_id = "req-another"
        rig.converge()
    assert "vCPUs in QEMU set to 5, as req-asked asked." in caplog.text


class Nobody:
    """A worker that does nothing."""

    busy = False

    def is_busy(self, uuid: str) -> bool:
        return self.busy

    def on_idle(self, uuid: str, then: Callable[[], object]) -> bool:
        return self.busy

    def submit(self, *asked: Any, **options: Any) -> None:
        pass


def passes(rig: Rig, notes: Notes) -> Reconciler:
    host_instances = FakeHostInstances([rig.instance])
    return Reconciler(host_instances, rig.boot_grace, Nobody(), rig.options, rig.clock.now, notes)


def test_a_pass_tells_of_all_instances() -> None:
    rig, notes = Rig(), Notes()
    rig.adjust(6, 3072)
    passes(rig, notes).run()
    there = Size(6, 3072)
    seen = Observed(None, 3072)
    sample = Sample(1, there, there, there, seen, frozenset({"Converged"}))
    assert notes.seen == {UUID: PassEntry(sample, MAXIMUM)}
    assert notes.told == [("passed", 0.0)]


def test_a_pass_does_not_read_what_a_run_is_changing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nobody, "busy", True)
    rig, notes = Rig(), Notes()
    passes(rig, notes).run()
    assert notes.seen == {UUID: PassEntry(None, MAXIMUM)}


def test_a_pass_tells_what_it_has_found() -> None:
    rig, notes = Rig(), Notes()
    rig.adjust(6, 3072)
    rig.guest.set_vcpus(5, live=True, config=False, hotpluggable=True)
    rig.clock.sleep(1)
    passes(rig, notes).run()
    assert notes.told[0] == ("drifted", UUID, "vcpus")
    assert "vcpus" in CODES


def test_a_pass_that_is_left_out_is_not_told() -> None:
    rig, notes = Rig(), Notes()
    rig.claims.unreachable = True
    passes(rig, notes).run()
    assert notes.told == []


@pytest.mark.parametrize(
    ("error", "phase", "code"),
    [
        (GuestRefused("xloud.guest_refused.x", ""), Phase.GUEST_REFUSED, "xloud.guest_refused.x"),
        (NoCapacity("full"), Phase.FAILED, "xloud.no_capacity"),
        (DomainCallFailed("no"), Phase.FAILED, "xloud.failed"),
        (RuntimeError("bug"), Phase.FAILED, "xloud.failed"),
    ],
)
def test_how_a_run_ended(error: Exception, phase: Phase, code: str) -> None:
    assert ending(error) == (phase, code)
