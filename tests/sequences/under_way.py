# SPDX-License-Identifier: Apache-2.0
"""Operations that begin while a run drives the server to the size of an adjustment.

The run is held before it begins or at one of its pauses, where it has no lock; it goes on when the
operation has been answered. How many pauses a run has depends on the size and on its guest: one
that ends before the pause at which it is to be held has met the operation at its end.
"""

import contextlib
import threading
import time

from hypothesis import strategies as st

from lab.patience import Patience
from nova_xloud.compute.waits import Pause
from tests.sequences.machine import (
    BEHAVIOUR,
    FLAVOR,
    IMAGE,
    MEMORY_MB,
    OPERATIONS,
    VCPUS,
    YES_OR_NO,
    AnySequence,
    adjust,
    operation,
)

# Seconds, as Patience counts them, in which a run comes to the pause where it is held, or ends.
COMES_THERE = 60

# By its name: the strategies of an operation's arguments, and when it is tried.
OPERATIONS_THAT_MEET_A_RUN = {
    "adjust": {"vcpus": VCPUS, "memory_mb": MEMORY_MB},
    "stop": {},
    "reboot": {},
    "reboot_hard": {},
    "migrate": {},
    "live_migrate": {"fails": YES_OR_NO},
    "resize": {"flavor": FLAVOR},
    "shelve": {},
    "rebuild": {"image": IMAGE},
    "rescue": {"image": IMAGE},
    "pause": {},
    "suspend": {},
    "delete": {"of_so_many": 3},
    "delete_softly": {"of_so_many": 3},
    "restart_nova_compute": {"all_up": True},
    "host_goes_down": {"all_up": True},
    "guest_restarts_itself": {},
    "guest_behaves": {"behaviour": BEHAVIOUR},
}
# Where between the smallest and the largest size of the server.
TO = st.sampled_from(["smallest", "middle", "largest"])
# The number of the pause at which the run is held; 0: it has not begun.
AT = st.integers(0, 4)


def _meets_a_run(name):
    def carry_out(cloud, server, to, at, **arguments):
        here = cloud.servers()[server]
        worker = cloud.computes[here.host].manager.xloud._worker
        with _held(worker, here.uuid, at) as comes_there:
            answer = adjust(cloud, server, *_size(cloud, server, to))
            if answer != "ok":
                return answer
            comes_there()
            return OPERATIONS[name](cloud, server, **arguments)

    carry_out.__name__ = f"{name}_meets_a_run"
    return carry_out


def _size(cloud, server, to):
    status = cloud._status({"id": cloud.servers()[server].uuid})
    least = status["min_vcpus"], status["min_memory_mb"]
    most = status["max_vcpus"], status["max_memory_mb"]
    step = status["vcpu_step"]
    between = (least[0] + most[0]) // 2 // step * step, (least[1] + most[1]) // 2
    return {"smallest": least, "middle": between, "largest": most}[to]


def _held_at(steps, at, held):
    """Go through the pauses of a run, and at the pause number ``at`` through ``held`` first."""
    number = 0
    try:
        if at == 0:
            yield from held
        pause = next(steps)
        while True:
            number += 1
            if number == at:
                yield from held
            pause = steps.send((yield pause))
    except StopIteration as end:
        return end.value


@contextlib.contextmanager
def _held(worker, uuid, at):
    """Hold each run of one server at its pause number ``at``, until the context is left.

    The context is a function that waits until the run is held or has ended. Runs of other servers,
    such as those of automatic growth, go on.
    """
    run, is_there, may_go_on = worker._run, threading.Event(), threading.Event()

    def hold(clock):
        is_there.set()
        while not may_go_on.is_set() and not clock.closing():
            yield Pause(0.02)

    def held_run(instance, options, clock):
        steps = run(instance, options, clock)
        return (yield from steps if instance.uuid != uuid else _held_at(steps, at, hold(clock)))

    def comes_there():
        patience = Patience(COMES_THERE)
        while worker.is_busy(uuid) and not is_there.is_set():
            assert not patience.is_over(), "the run neither pauses nor ends"
            time.sleep(0.005)

    worker._run = held_run
    try:
        yield comes_there
    finally:
        may_go_on.set()
        worker._run = run


def _rules():
    for name, options in OPERATIONS_THAT_MEET_A_RUN.items():
        body = _meets_a_run(name)
        yield body.__name__, operation("active", to=TO, at=AT, **options)(body)


# Any sequence of operations, also of those that meet a run.
AnySequenceWithRuns = type("AnySequenceWithRuns", (AnySequence,), dict(_rules()))
