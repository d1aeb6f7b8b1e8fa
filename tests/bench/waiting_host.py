"""The host of the measure of runs that wait: real runs, each with what a request brings along."""

import dataclasses
import functools
import tempfile
import time
import tracemalloc

from nova import objects
from nova.objects import base as objects_base

from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.lifecycle import Phase, Progress
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.testing import Behaviour, FakeDomain, FakeGuest, Timing
from nova_xloud.testing.fake_ports import FakeClaims, FakeRecord
from tests.bench import usage
from tests.bench.host import MAXIMUM, Host

_HAS, _ASKED = Size(1, 768), Size(1, 512)
_SPECS = {"minimum_cpu": "1", "minimum_memory": "512"}

_host = None
_outside = []


def start(placement, count):
    """Have as many guests that refuse to shrink, and nobody who drives them; what that takes."""
    global _host
    _host = Host(tempfile.mkdtemp(), placement, step_timeout=3600.0)
    (uuid,) = _host.add(1)
    primitive = _host.instances[uuid].obj_to_primitive()
    _outside[:] = [(f"{number:08d}{uuid[8:]}", _ports()) for number in range(count)]
    _host.primitive = primitive
    return usage.of_this_process()


def submit(traced):
    """Have a run of each that waits for its guest.

    :returns: what the process takes when all wait, seconds until then, and MiB by Python's account
    """
    if traced:
        tracemalloc.start()
    worker, began = _host.engine._worker, time.monotonic()
    for uuid, ports in _outside:
        worker.submit(_opened(uuid, ports))
    most = 0
    while not all(_is_waiting(uuid) for uuid, _ in _outside):
        most = max(most, usage.threads())
        time.sleep(0.2)
    took = time.monotonic() - began
    allocated = tracemalloc.get_traced_memory()[0] / 2**20 if traced else None
    tracemalloc.stop()
    return usage.of_this_process() | {"most threads": most}, took, allocated


def _is_waiting(uuid):
    runs = _host.engine._worker._runs.get(uuid)
    return bool(runs) and runs[0].pauses > 0


def _ports():
    """What stands for the outside: it is there before the run, and is none of its memory."""
    guest = FakeGuest(
        FakeGuest.size(MAXIMUM[0], 1, MAXIMUM[1], _HAS.memory_mb),
        behaviour=Behaviour.REFUSES,
        timing=Timing(stats_seconds=1.0),
    )
    guest.start(arrived=True)
    progress = Progress(Phase.ADMITTED, "xloud.admitted")
    desired = dataclasses.replace(Desired(_ASKED), generation=1, progress=progress)
    record = FakeRecord(FlavorFacts(Size(*MAXIMUM), _SPECS), desired, recorded=_HAS)
    return guest, FakeClaims(_HAS, capacity=_HAS), record


def _opened(uuid, ports):
    """As nova-compute opens it: with an instance that was made of what came over the wire."""
    guest, claims, record = ports
    instance = objects_base.NovaObject.obj_from_primitive(_host.primitive)
    assert isinstance(instance, objects.Instance)
    opened = _host.manager.xloud_ports.open(_host.context, instance)
    return dataclasses.replace(
        opened,
        uuid=uuid,
        domain=functools.partial(FakeDomain, guest),
        claims=claims,
        record=record,
        lock=functools.partial(_host.manager.xloud_ports._locks.hold, uuid),
        watched=functools.partial(_host.manager._watch.judged, uuid),
        booting=lambda figures: False,
        answers=lambda within: True,
    )
