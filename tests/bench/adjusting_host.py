"""The host of the measure of memory: a process that adjusts its servers again and again, or not."""

import itertools
import tempfile
import time
import tracemalloc

from nova import objects
from nova.objects import base as objects_base

from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.metrics.meter import PrometheusMeter
from tests.bench import leftovers, usage
from tests.bench.host import SMALL, Host

_SIZES = ((2, 640), SMALL)
# So many are on their way at the same time.
_AT_ONCE = 200
# Seconds: by then all is forgotten that is ever to be.
_LATER = 3600.0

_host = None
_turns = None


def start(placement, count, in_memory):
    """Have a host with so many servers and metrics; returns what its process takes.

    :param in_memory: records, claims and actions are fakes, and no pass looks at them
    """
    global _host, _turns
    _host = Host(tempfile.mkdtemp(), placement, meter=PrometheusMeter())
    _host.add(count)
    if in_memory:
        _host.keep_in_memory()
    _turns = itertools.cycle(
        [(uuid, size) for size in _SIZES for uuid in list(_host.instances)],
    )
    return rest()


def rest():
    """Nothing but a pass; returns what the process takes then."""
    if not _host.kept:
        _host.engine._reconciler.run()
    return usage.of_this_process()


def adjust(count):
    """So many adjustments, each to its end; returns what the process takes then."""
    for begun in range(0, count, _AT_ONCE):
        turns = list(itertools.islice(_turns, min(_AT_ONCE, count - begun)))
        for uuid, size in turns:
            # As it comes with each request: a new object, made of what came over the wire.
            primitive = _host.instances[uuid].obj_to_primitive()
            instance = objects_base.NovaObject.obj_from_primitive(primitive)
            instance._context = _host.context
            _host.engine.adjust(_host.context, instance, AdjustRequest(*size, True, False))
        _host.wait_until_idle()
    return rest()


def trace(count):
    """MiB that so many adjustments leave behind by Python's own account, and where."""
    # What the first of each kind makes is made once.
    adjust(len(_host.instances))
    tracemalloc.start()
    first = tracemalloc.take_snapshot()
    adjust(count)
    grown = tracemalloc.take_snapshot().compare_to(first, "filename")
    tracemalloc.stop()
    most = [(_short(str(one.traceback)), one.size_diff / 2**20) for one in grown[:5]]
    return sum(one.size_diff for one in grown) / 2**20, most


def _short(path):
    """Of a file of a package or of ours: without where that is on this machine."""
    for folder in ("/site-packages/", "/src/", "/lib/"):
        path = path.rpartition(folder)[2]
    return path.removesuffix(":0")


def lost():
    """Of how many servers claim, columns and guest do not agree."""
    return _host.lost()


def end():
    """Delete all; returns where one of them is still named, and what the process takes."""
    uuids = set(_host.instances)
    _host.delete(list(uuids))
    engine = _host.engine
    reconciler, now = engine._reconciler, time.monotonic
    reconciler.run()
    reconciler._now = lambda: now() + _LATER
    reconciler.run()
    manager = _host.manager
    assert not objects.InstanceList.get_by_host(_host.context, manager.host, expected_attrs=[])
    return leftovers.of(uuids, leftovers.roots_of(manager)), usage.of_this_process()
