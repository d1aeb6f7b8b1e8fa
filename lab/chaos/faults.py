"""Faults of everything around nova_xloud's code: processes, broker, Placement, database, guests."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from lab import faults as lab_faults
from lab import processes
from lab.chaos import clock, disk
from lab.chaos.daemons import placement_that
from lab.chaos.fault import Begin, Fault, Stage, Teller
from lab.chaos.schedule import Way
from lab.errors import LabError
from lab.services import database, nova

# Longer than a writer waits for another (lab.services.database): it then fails.
LONGER_THAN_A_WRITER = database.BUSY_SECONDS + 15.0


def _killed(which: Callable[[Stage], str]) -> Begin:
    @contextmanager
    def begin(stage: Stage) -> Iterator[None]:
        lab_faults.kill(stage.layout, which(stage))
        yield

    return begin


def _stopped(which: Callable[[Stage], str]) -> Begin:
    @contextmanager
    def begin(stage: Stage) -> Iterator[None]:
        with stage.supervisor.stopped(which(stage)):
            yield

    return begin


def _frozen(which: Callable[[Stage], str]) -> Begin:
    @contextmanager
    def begin(stage: Stage) -> Iterator[None]:
        record = processes.running(stage.layout).get(which(stage))
        if record is None:
            raise LabError(f"{which(stage)} does not run")
        with lab_faults.frozen(record.pid):
            yield

    return begin


def _unkind(**order: object) -> Begin:
    return lambda stage: placement_that(stage.layout, **order)


@contextmanager
def _database_locked(stage: Stage) -> Iterator[None]:
    # In write-ahead mode readers go on, as with a primary that takes no writes.
    lock = sqlite3.connect(database.path(stage.layout, "nova"), timeout=30, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        lock.close()


@contextmanager
def _guest_frozen(stage: Stage) -> Iterator[None]:
    with lab_faults.frozen(stage.cloud.emulator(stage.target)):
        yield


@contextmanager
def _guest_killed(stage: Stage) -> Iterator[None]:
    os.kill(stage.cloud.emulator(stage.target), signal.SIGKILL)
    yield
    stage.hands.append(partial(_start_again, stage, "os-start", "SHUTOFF"))


@contextmanager
def _guest_panics(stage: Stage) -> Iterator[None]:
    """Panic the guest's kernel: the guest does nothing more, and Nova still has it as ACTIVE."""
    with stage.cloud.domain(stage.target) as domain:
        if domain is None:
            raise LabError(f"no domain of {stage.target}")
        # The kernels of these guests panic at an NMI (lab.contents).
        domain.injectNMI()
    yield
    stage.hands.append(partial(_start_again, stage, "reboot", "ACTIVE"))


def _clock_off(seconds: int) -> Begin:
    return lambda stage: clock.shifted(stage.layout, seconds)


@contextmanager
def _disk_full(stage: Stage) -> Iterator[None]:
    with disk.full(stage.layout, stage.compute):
        yield


@contextmanager
def _second_compute(stage: Stage) -> Iterator[None]:
    daemon = replace(
        nova.compute_daemon(stage.layout, stage.compute), name=f"{stage.nova_compute}-again"
    )
    processes.start(stage.layout, [daemon])
    try:
        yield
    finally:
        processes.stop(stage.layout, [daemon.name])


def _start_again(stage: Stage, action: str, status: str) -> None:
    """Start or reboot the target as its user does, once Nova shows the target in ``status``."""
    cloud, server = stage.cloud, stage.target
    cloud.wait(f"the server to be {status}", lambda: cloud.vm_status(server) == status, 120)
    before = cloud.boot(server)
    until = time.monotonic() + 60
    while cloud.act(server, action, {"type": "HARD"} if action == "reboot" else None).status != 202:
        if time.monotonic() > until:
            raise LabError(f"{action} of {server} was refused for 60 s")
        time.sleep(1)
    cloud.wait(
        "the guest to run again",
        lambda: cloud.boot(server) not in (None, before) and cloud.vm_status(server) == "ACTIVE",
        120,
    )


def _compute(stage: Stage) -> str:
    return stage.nova_compute


def _named(name: str) -> Callable[[Stage], str]:
    return lambda stage: name


def _libvirtd(stage: Stage) -> str:
    return stage.compute.daemon("libvirtd")


# Nova may need to write before our code is asked, and its error is not ours.
_OF_NOVA = frozenset({Teller.DATABASE})

# A fault blinds the checker where it has to ask what is broken: Keystone and Placement; RabbitMQ
# and the nova-compute of each host for what the guests hold, and that one libvirt and QEMU. With
# another clock a service counts as down, and is not asked. An unkind Placement refuses writes only.
FAULTS = (
    Fault("nova-compute killed", _killed(_compute), blinds=True),
    Fault("nova-conductor killed", _killed(_named("nova-conductor"))),
    Fault("nova-scheduler killed", _killed(_named("nova-scheduler"))),
    Fault("nova-api killed", _killed(_named("nova-api"))),
    Fault("nova-compute frozen for 20 s", _frozen(_compute), 20.0, blinds=True),
    Fault("nova-conductor frozen for 20 s", _frozen(_named("nova-conductor")), 20.0),
    Fault("RabbitMQ stopped for 15 s", _stopped(_named("rabbitmq")), 15.0, alone=True, blinds=True),
    Fault("RabbitMQ killed", _killed(_named("rabbitmq")), alone=True, blinds=True),
    Fault("Placement answers 409", _unkind(status=409), 12.0, first=True),
    Fault("Placement answers 500", _unkind(status=500), 12.0, first=True),
    Fault(
        "Placement answers 500 and has done it", _unkind(status=500, after=True), 12.0, first=True
    ),
    Fault("Placement takes 4 s", _unkind(seconds=4.0), 20.0, first=True),
    Fault("Placement does not answer for 25 s", _frozen(_named("placement")), 25.0, blinds=True),
    Fault("Placement killed", _killed(_named("placement")), blinds=True),
    Fault(
        "Keystone stopped for 15 s",
        _stopped(_named("keystone")),
        15.0,
        blinds=True,
        may_answer=frozenset({Teller.IN_FRONT}),
    ),
    Fault("database takes no writes for 20 s", _database_locked, 20.0, may_answer=_OF_NOVA),
    Fault(
        f"database takes no writes for {LONGER_THAN_A_WRITER:.0f} s",
        _database_locked,
        LONGER_THAN_A_WRITER,
        alone=True,
        may_answer=_OF_NOVA,
    ),
    Fault("libvirtd killed", _killed(_libvirtd), blinds=True),
    Fault("libvirtd stopped for 10 s", _stopped(_libvirtd), 10.0, blinds=True),
    Fault("QEMU killed", _guest_killed),
    Fault("QEMU frozen for 60 s", _guest_frozen, 60.0, blinds=True),
    Fault("guest panics", _guest_panics, 20.0, first=True, way=Way.SHRINK),
    Fault("Nova's clock is 10 min ahead", _clock_off(600), 15.0, alone=True, blinds=True),
    Fault("Nova's clock is 10 min behind", _clock_off(-600), 15.0, alone=True, blinds=True),
    Fault("no room for libvirt's definitions for 15 s", _disk_full, 15.0, first=True),
    Fault("a second nova-compute for 30 s", _second_compute, 30.0, alone=True),
)
