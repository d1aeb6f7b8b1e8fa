"""The host of the measure of many requests at once: a process that answers them over RabbitMQ."""

import tempfile
import time

import oslo_messaging
from nova import rpc
from nova.compute import rpcapi
from nova.objects import base as objects_base

from nova_xloud.compute.meter import NoMeter
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.core.instance.lifecycle import Phase
from nova_xloud.rpc.endpoint import XloudEndpoint
from nova_xloud.testing import Behaviour
from tests.bench.host import NAME, SMALL, Host

# What the guests that refuse have, and are to give back.
LARGE = (1, 768)
# Seconds; no guest that refuses is given up while something is measured.
_LONG = 3600.0

_host = _server = _reached = None


class _Reached(NoMeter):
    """When each instance has last reached its size, in seconds that all processes share."""

    def __init__(self):
        self.at = {}

    def ended(self, uuid, phase, code, *, asked):
        if phase is Phase.CONVERGED:
            self.at[uuid] = time.monotonic()


def start(placement, transport):
    """Begin to answer; returns the UUID of the host's resource provider."""
    global _host, _server, _reached
    _reached = _Reached()
    folder = tempfile.mkdtemp()
    _host = Host(folder, placement, transport, meter=_reached, step_timeout=_LONG)
    _server = rpc.get_server(
        oslo_messaging.Target(topic=rpcapi.RPC_TOPIC, server=NAME),
        [XloudEndpoint(_host.engine)],
        serializer=objects_base.NovaObjectSerializer(),
    )
    _server.start()
    return _host.provider


def add(count):
    """So many servers more; returns each as it goes over the wire."""
    return [_host.instances[uuid].obj_to_primitive() for uuid in _host.add(count)]


def refuse(count):
    """So many servers more that are asked to shrink and do not; returns when all are waited for."""
    uuids = _host.add(count, LARGE)
    for uuid in uuids:
        _host.guest(uuid).behaviour = Behaviour.REFUSES
        request = AdjustRequest(*SMALL, True, False)
        _host.engine.adjust(_host.context, _host.instances[uuid], request)
    worker = _host.engine._worker
    while not all(worker._runs[uuid][0].is_paused for uuid in uuids):
        time.sleep(0.05)


def reached(uuids, seconds=900):
    """When each has reached its size; waits for all.

    :raises TimeoutError:
    """
    until = time.monotonic() + seconds
    while not all(uuid in _reached.at and not _is_busy(uuid) for uuid in uuids):
        if time.monotonic() > until:
            raise TimeoutError(f"not all of {len(uuids)} have their size after {seconds} s")
        time.sleep(0.01)
    return [_reached.at.pop(uuid) for uuid in uuids]


def waiting():
    """How many runs wait now."""
    return sum(map(_is_busy, _host.instances))


def lost():
    """How many servers there are, and of how many claim, columns and guest do not agree."""
    return len(_host.instances), _host.lost()


def stop():
    """Answer nobody any more."""
    _server.stop()
    _server.wait()
    _host.engine.close()


def _is_busy(uuid):
    return _host.engine._worker.is_busy(uuid)
