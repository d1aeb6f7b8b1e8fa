"""The lab's APIs over plain HTTP, each request timed; and the end of what was asked for."""

import time
import uuid

import requests

from lab.errors import LabError, NotSettled
from tests.bench import guests

_COMPUTE = "compute 2.100"
_PLACEMENT = "placement 1.36"
_SECONDS = 60
_LOOK = 0.05
# Of a log: more than is written in a look.
_TAIL_BYTES = 200_000


class Nova:
    """Requests of an administrator, over one connection that is kept.

    A request is ``(seconds, x-openstack-request-id)``, from sending until it is answered.
    """

    def __init__(self, cloud):
        self._url = cloud.layout.url("nova", "/v2.1")
        self._session = _session(cloud, _COMPUTE)

    def adjust(self, server, size):
        """POST os-xloud-adjust, with both sizes."""
        body = {"current_vcpus": size.vcpus, "current_memory_mb": size.memory_mb}
        return self._ask("POST", f"/os-xloud-adjust/{server}", body)

    def show(self, server):
        """GET the server."""
        return self._ask("GET", f"/servers/{server}")

    def act(self, server, action):
        """POST an action of Nova's without arguments, as ``lock``."""
        return self._ask("POST", f"/servers/{server}/action", {action: None})

    def _ask(self, method, path, body=None):
        began = time.perf_counter()
        answer = self._session.request(method, self._url + path, json=body, timeout=_SECONDS)
        seconds = time.perf_counter() - began
        if not answer.ok:
            raise LabError(f"{method} {path}: {answer.status_code} {answer.text}")
        return seconds, answer.headers["x-openstack-request-id"]


class Claim:
    """An allocation in Placement of a consumer that is no server, as one writes it by hand."""

    def __init__(self, cloud):
        (provider,) = cloud.connection.placement.resource_providers(
            name=cloud.layout.computes[0].hostname
        )
        self._provider = provider.id
        self._url = cloud.layout.url("placement", f"/allocations/{uuid.uuid4()}")
        self._session = _session(cloud, _PLACEMENT)
        self._generation = None

    def put(self, size):
        """PUT the allocation; returns the seconds that it took."""
        held = {"VCPU": size.vcpus, "MEMORY_MB": size.memory_mb}
        return self._put({self._provider: {"resources": held}})

    def give_back(self):
        """Hold nothing."""
        if self._generation is not None:
            self._put({})

    def _put(self, allocations):
        body = {
            "allocations": allocations,
            "consumer_generation": self._generation,
            "project_id": "bench",
            "user_id": "bench",
        }
        began = time.perf_counter()
        answer = self._session.put(self._url, json=body, timeout=_SECONDS)
        seconds = time.perf_counter() - began
        if not answer.ok:
            raise LabError(f"PUT {self._url}: {answer.status_code} {answer.text}")
        # Placement counts up by one with each write; the first makes the consumer.
        self._generation = 1 if self._generation is None else self._generation + 1
        return seconds


class Log:
    """The log of the first host's nova-compute, which says when a run has ended."""

    def __init__(self, layout):
        self._path = layout.logs / f"{layout.computes[0].daemon('nova-compute')}.log"

    def wait_for_end(self, request_id):
        """Until the run of a request has ended: nothing of it loads the machine any more.

        :raises LabError: the guest did not follow
        """
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            for line in self._lines(request_id):
                if "has reached its desired size" in line:
                    return
                if "the run to its desired size failed:" in line:
                    raise LabError(line)
            time.sleep(_LOOK)
        raise NotSettled(f"{request_id} has not ended in {_SECONDS} s; see {self._path}")

    def _lines(self, request_id):
        text = guests.tail(self._path, _TAIL_BYTES).decode(errors="replace")
        return [line for line in text.splitlines() if request_id in line]


def _session(cloud, microversion):
    session = requests.Session()
    session.headers["X-Auth-Token"] = cloud.connection.auth_token
    session.headers["OpenStack-API-Version"] = microversion
    # Proxies of the environment are not for loopback.
    session.trust_env = False
    return session
