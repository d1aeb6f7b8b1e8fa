"""Sends the requests of the load, and notes each answer that must not come."""

import time
from collections.abc import Callable, Collection

from lab.cloud import Answer, Cloud
from lab.errors import LabError
from lab.soak.tally import Tally

OPERATION_SECONDS = 180.0
POLL_SECONDS = 0.5


class GaveUp(LabError):
    """A server is not as a step needs it; what is wrong has been noted."""


class Asking:
    """The requests of one thread of the load.

    :param cloud: with a connection that no other thread uses
    """

    def __init__(self, cloud: Cloud, tally: Tally) -> None:
        self.cloud = cloud
        self.tally = tally

    def ask(self, kind: str, allowed: Collection[int], send: Callable[[], Answer]) -> Answer:
        """Send a request, count its answer under ``kind``, and return it.

        :param allowed: the HTTP statuses that the answer may have; any other one is a failure
        """
        self.tally.add(requests=1)
        answer = send()
        self.tally.answered(kind, answer.status)
        if answer.status not in allowed:
            self.tally.fail(f"{kind} was answered {answer.status}: {answer.message or answer.body}")
        return answer

    def act(self, kind: str, server: str, action: str, arguments: object = None) -> None:
        """Have Nova do an operation, and wait until the server has no task_state any more.

        :raises GaveUp: Nova refuses the operation, or it does not end
        """
        self.tally.add(actions=1)
        answer = self.ask(kind, {202}, lambda: self.cloud.act(server, action, arguments))
        if answer.status != 202:
            self.tally.add(actions=-1)
            raise GaveUp(f"{kind} of {server}")
        self.wait_idle(kind, server)

    def wait_idle(self, kind: str, server: str) -> None:
        """Wait until a server has no task_state.

        :raises GaveUp: it still has one after ``OPERATION_SECONDS``
        """
        until = time.monotonic() + OPERATION_SECONDS
        while self.shown(server).get("OS-EXT-STS:task_state"):
            if time.monotonic() > until:
                self.tally.fail(f"{kind} of {server} has not ended in {OPERATION_SECONDS:.0f} s")
                raise GaveUp(f"{kind} of {server}")
            time.sleep(POLL_SECONDS)

    def shown(self, server: str) -> dict[str, object]:
        """Return what Nova shows of a server; empty if there is none."""
        answer = self.ask(
            "show server", {200, 404}, lambda: self.cloud.call("GET", f"/servers/{server}")
        )
        return dict(answer.body["server"]) if answer.status == 200 else {}

    def has_status(self, server: str, wanted: str) -> bool:
        """Return whether a server has a status by now, and note it if not."""
        shown = self.shown(server)
        if shown.get("status") == wanted:
            return True
        fault = shown.get("fault") or "no fault"
        self.tally.fail(f"{server} is {shown.get('status')} and not {wanted}: {fault}")
        return False
