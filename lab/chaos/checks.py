"""What must be true of the cloud after a fault, and the problems where it is not."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import libvirt
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from lab import guest, processes
from lab.chaos.supervisor import Supervisor
from lab.checker import Checker
from lab.cloud import Cloud, Size, Witnesses
from lab.errors import LabError

# Conditions that do not explain why a server has another size than the desired one. The last one is
# itself a fault of nova-xloud.
EXPLAIN_NOTHING = {"Converged", "Booting", "ReservedTooLittle"}
# A condition that explains only why the guest uses fewer vCPUs than Placement and libvirt have.
OF_THE_GUEST_ONLY = {"CpusNotOnline"}
# The rule that a crash between a claim and the record leaves broken until the next pass: more is
# reserved than the columns say. All other rules hold at any moment.
UNTIL_THE_NEXT_PASS = "columns_differ"
# How often the checker is asked once more where no fault keeps it from reading all, and the seconds
# between.
ASKED_AGAIN, ASK_AGAIN_SECONDS = 3, 2.0
# A service reports every 10 s, and is down for Nova once it has not for 60 s. One whose last report
# is older than this is up for Nova still, and may be down a moment later.
REPORTED_WITHIN = 30.0
# Of so many actions of a server each event must have an end: more than one round makes.
NEWEST_ACTIONS = 10
# The action of an adjustment, and the event of its run.
ACTION, EVENT = "xloud_adjust", "compute_xloud_adjust"
# The errors of a client or a reader whose service does not answer, or does not answer as usual.
NOT_ANSWERED = (
    *(ClientException, SDKException, libvirt.libvirtError, LabError),
    *(OSError, KeyError, TypeError, ValueError),
)


@dataclass
class Asked:
    """What one server was asked for.

    :ivar sizes: all sizes that it was ever asked for, and its first one
    :ivar requests: the ids of requests that were answered with 202 in this round
    """

    sizes: set[Size] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Judgement:
    """What the checker of the invariants has found at one moment.

    :ivar broken: the rules that do not hold, in words
    :ivar unread: what could not be read, and so was not judged
    """

    broken: tuple[str, ...]
    unread: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all was read and judged."""
        return not self.unread


@dataclass(frozen=True)
class Checks:
    """All that has to hold when a cloud has recovered."""

    cloud: Cloud
    checker: Checker
    supervisor: Supervisor
    asked: dict[str, Asked]

    def judge(self, *, blinded: bool) -> Judgement:
        """Check the rules that must hold even while a fault lasts.

        :param blinded: the fault keeps the checker from reading all. If it does not, the checker is
            asked again some times, because the lab may be busy
        """
        judgement = self._judge()
        for _ in range(0 if blinded else ASKED_AGAIN):
            if judgement.is_whole or judgement.broken:
                break
            time.sleep(ASK_AGAIN_SECONDS)
            judgement = self._judge()
        return judgement

    def _judge(self) -> Judgement:
        try:
            told = json.loads(self.checker.ask("--format", "json").text)
            breaks = [one for one in told["breaks"] if one["code"] != UNTIL_THE_NEXT_PASS]
            return Judgement(
                tuple(f"{one['code']}: {one['message']}" for one in breaks),
                tuple(one["what"] for one in told["not_checked"]),
            )
        except Exception as error:  # noqa: BLE001 - a cloud with a fault answers with anything
            return Judgement((), (f"the checker failed: {type(error).__name__}: {error}",))

    def problems(self, *, explained: bool) -> list[str]:
        """Return what is not as it has to be, in words; empty when all has recovered.

        :param explained: a server that is not converged is no problem if a condition says why
        """
        found = [f"{name} does not run" for name in self.supervisor.missing()]
        try:
            # The cheapest check first, and no other once one has failed: this is repeated often.
            found = found or list(self._services())
            found = found or list(self._states())
            for server, asked in self.asked.items():
                found = found or [f"{server}: {w}" for w in self._server(server, asked, explained)]
            if found:
                return found
            verdict = self.checker.ask()
        except NOT_ANSWERED as error:
            return [f"{type(error).__name__}: {error}"]
        return [] if verdict.code == 0 else [f"invariants: {verdict.text}"]

    def _services(self) -> Iterator[str]:
        for service in self.cloud.connection.compute.services():
            reported = datetime.fromisoformat(service.updated_at).replace(tzinfo=UTC).timestamp()
            since = max(
                self._started_at(service.binary, service.host), time.time() - REPORTED_WITHIN
            )
            if service.state != "up" or reported < since:
                yield f"{service.binary} on {service.host} is {service.state}, and silent"

    def _started_at(self, binary: str, host: str) -> float:
        """Return when a service's process was started: it counts once it has reported since."""
        names = (binary, f"{binary}-{host}")
        (daemon,) = (self.supervisor.daemons[n] for n in names if n in self.supervisor.daemons)
        return processes.started_at(self.cloud.layout, daemon)

    def _states(self) -> Iterator[str]:
        for shown in self.cloud.call("GET", "/servers/detail").body["servers"]:
            if shown["id"] not in self.asked:
                continue
            if shown["OS-EXT-STS:task_state"]:
                yield f"{shown['id']}: task_state {shown['OS-EXT-STS:task_state']}"
            if shown["status"] != "ACTIVE":
                yield f"{shown['id']}: status {shown['status']}"

    def _server(self, server: str, asked: Asked, explained: bool) -> Iterator[str]:
        cloud = self.cloud
        told = cloud.xloud_status(server).body["xloud_status"]
        desired = Size(told["vcpus"]["desired"], told["memory_mb"]["desired"])
        if desired not in asked.sizes:
            yield f"{desired} is desired, which nobody asked for"
        conditions = {one["type"] for one in told["conditions"] if one["status"] is True}
        console = guest.last_report(self._console(server).read_bytes())
        said = Witnesses(
            cloud.claimed(server),
            cloud.actuated(server),
            Size(console.cpus, console.held_mb) if console else None,
        )
        there = "Converged" in conditions and said.all_say(desired)
        explain = conditions - EXPLAIN_NOTHING if explained else set()
        if said.placement == said.libvirt == desired:
            there = there or bool(explain & OF_THE_GUEST_ONLY)
        if not there and not explain - OF_THE_GUEST_ONLY:
            yield f"{desired} is desired, there is {said}, and true is {sorted(conditions)}"
        yield from self._open_actions(server, asked.requests)

    def _open_actions(self, server: str, requests: Sequence[str]) -> Iterator[str]:
        """Say of which actions an event has no end: those of ``requests``, and the newest ones.

        A request that was not answered 202 may have been admitted before the fault, and then its
        run may even have begun an event of another request's action.
        """
        actions = f"/servers/{server}/os-instance-actions"
        for request in requests:
            answer = self.cloud.call("GET", f"{actions}/{request}")
            # A request with nothing to do has no action.
            if answer.status != 404 and not _has_ended(answer.body["instanceAction"]["events"]):
                yield f"the action of {request} has no end: {answer.body['instanceAction']}"
        listed = self.cloud.call("GET", f"{actions}?limit={NEWEST_ACTIONS}").body["instanceActions"]
        for request in [one["request_id"] for one in listed]:
            action = self.cloud.call("GET", f"{actions}/{request}").body["instanceAction"]
            ours = [event for event in action["events"] if event["event"] == EVENT]
            if ours and (action["action"] != ACTION or not _has_ended(ours)):
                yield f"an event of the action of {request} has no end, or is another's: {action}"

    def _console(self, server: str) -> Path:
        """Return the guest's console as libvirt writes it: Nova's API for it takes long."""
        return self.cloud.layout.instances / server / "console.log"


def _has_ended(events: Sequence[Mapping[str, Any]]) -> bool:
    return bool(events) and all(event["result"] for event in events)


def polled(
    problems: Callable[[bool], Sequence[str]],
    patience: Callable[[], tuple[bool, bool]],
    wait: Callable[[], None],
) -> list[str]:
    """Call ``problems`` until it finds none or the time is over; return what it found last.

    :param problems: takes whether a condition may explain a server that is not converged
    :param patience: returns whether a condition may explain that by now, and whether the time is
        over
    :param wait: is called between two calls of ``problems``
    """
    while True:
        explained, over = patience()
        left = list(problems(explained))
        if not left or over:
            return left
        wait()
