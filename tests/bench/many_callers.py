"""Those who ask, in the measure of many requests at once: nova-api's part, a process of its own."""

import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nova import config as nova_config
from nova import context as nova_context
from nova import objects
from nova.objects import base as objects_base
from nova.scheduler.client import report

from lab.services import config as services_config
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.errors import Refused
from nova_xloud.rpc.client import XloudAPI

# As many as the lab's Placement answers at once.
_CLIENTS = 8

_instances, _written = {}, {}
_api = _placement = _provider = None


def start(placement, transport, provider):
    """Be able to ask both."""
    global _api, _placement, _provider
    folder = Path(tempfile.mkdtemp())
    settings = services_config.write(
        folder / "nova.conf",
        {
            "DEFAULT": {"transport_url": transport, "rpc_response_timeout": 600},
            "database": {"connection": "sqlite://"},
            "placement": {"auth_type": "admin_token", "endpoint": placement, "token": "admin"},
        },
    )
    objects.register_all()
    nova_config.parse_args(["nova-api", "--config-file", str(settings)], configure_db=False)
    _api, _placement, _provider = XloudAPI(), report.SchedulerReportClient(), provider


def learn(primitives):
    """Instances as they came over the wire."""
    for primitive in primitives:
        one = objects_base.NovaObject.obj_from_primitive(primitive)
        _instances[one.uuid] = one


def ask(uuids, size):
    """Ask for the size of all at once; ``[(asked, answered, refusal or None), ...]`` of each.

    Times are in seconds that all processes share.
    """
    begin = threading.Barrier(len(uuids))
    request = AdjustRequest(*size, True, False)

    def one(uuid):
        context = nova_context.RequestContext("bench", "bench")
        begin.wait()
        began, refusal = time.monotonic(), None
        try:
            _api.adjust(context, _instances[uuid], request)
        except Refused as refused:
            refusal = str(refused)
        return began, time.monotonic(), refusal

    with ThreadPoolExecutor(len(uuids)) as pool:
        return list(pool.map(one, uuids))


def put(count):
    """Seconds for so many PUTs of an allocation of its own each, as fast as Placement answers."""
    consumers = [f"00000000-0000-4000-8000-{number:012x}" for number in range(count)]
    began = time.monotonic()
    with ThreadPoolExecutor(min(_CLIENTS, count)) as pool:
        for _ in pool.map(_put_one, consumers):
            pass
    return time.monotonic() - began


def _put_one(consumer):
    generation = _written.get(consumer)
    resources = {"VCPU": 1, "MEMORY_MB": 512 + (generation or 0) % 2}
    body = {
        "allocations": {_provider: {"resources": resources}},
        "project_id": "bench",
        "user_id": "bench",
        "consumer_generation": generation,
    }
    answer = _placement.put(f"/allocations/{consumer}", body, version="1.28")
    if answer.status_code != 204:
        raise RuntimeError(f"Placement: {answer.status_code}: {answer.text}")
    _written[consumer] = (generation or 0) + 1
