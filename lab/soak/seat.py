"""One server of the load and all that is done to it; when it is deleted another takes its place."""

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from lab import contents, guest
from lab.autoscale.driver import GuestLoad
from lab.chaos.play import MOST_NEW_VCPUS
from lab.cloud import BUILD_SECONDS, Answer, Cloud
from lab.errors import LabError, NotSettled
from lab.soak.asking import POLL_SECONDS, Asking, GaveUp
from lab.soak.plan import LOADS, VCPUS, Kind, Step

NAME = "xloud-soak"
# Above the quota that a soak run gives the tenant (lab.soak.tenant), and below the flavor.
ABOVE_QUOTA = 8
GUEST_SECONDS = 60.0
# In these automatic growth follows a load that was changed.
LOAD_SECONDS = 20.0
# What was answered when a guest's load was to be changed, as a command's exit code.
OBEYED, SILENT = 0, 1

MALFORMED: tuple[object, ...] = (
    {},
    [],
    {"persist": True},
    {"current_vcpus": True},
    {"current_vcpus": 1.5},
    {"current_vcpus": "-1"},
    {"current_vcpus": 0},
    {"current_vcpus": 2, "size": 3},
    {"current_vcpus": 2, "persist": "perhaps"},
    "no object",
)
BEYOND: tuple[dict[str, int], ...] = (
    {"current_vcpus": 33},
    {"current_memory_mb": 1025},
    {"current_memory_mb": 511},
    {"current_vcpus": 3, "current_memory_mb": 2048},
)
# What a request to adjust has beside its size.
ADJUSTMENTS: Mapping[Kind, dict[str, object]] = {
    Kind.ADJUST: {},
    Kind.FOR_NOW: {"persist": False},
    Kind.FORCED: {"force": True},
}
# A size that is admitted, or a host or guest that cannot do it now.
ADMITTED_OR_NOT = (202, 409)


@dataclass(frozen=True)
class Place:
    """What is particular of one seat.

    :ivar flavor: the flavor's name
    :ivar host: the host on which each server of the seat is created; None: as Nova schedules it
    :ivar tenant: makes the cloud of a user who owns the servers and may not adjust them; None: the
        administrator owns them
    :ivar image: the image's name; a server of one whose load can be driven scales by itself
    """

    flavor: str
    host: str | None
    tenant: Callable[[], Cloud] | None = None
    image: str = contents.IMAGE

    @property
    def is_scaled(self) -> bool:
        """Whether the servers of the seat scale by themselves."""
        return self.image == contents.LOAD_IMAGE


class Seat:
    """Plays the steps of one seat; :meth:`fill` comes first."""

    def __init__(self, place: Place, asking: Asking) -> None:
        self._place = place
        self._asking = asking
        self._owner = asking if place.tenant is None else Asking(place.tenant(), asking.tally)
        self._hosts = [compute.hostname for compute in asking.cloud.layout.computes]
        self._elastic = place.flavor in (contents.DEMO.name, contents.SOAK.name)
        # A server of the seat, as counted by :class:`~lab.soak.tally.Done`.
        self._created = {"servers": 1, "actions": 1, "scaled": int(place.is_scaled)}
        # Since the QEMU was started anew: vCPUs that it was given, and those asked for last.
        self._new_vcpus, self._vcpus = 0, 1
        self.server: str | None = None

    def play(self, step: Step) -> None:
        """Do one step, and leave a server that is active; what must not happen is noted."""
        try:
            if self.server is None or not self._asking.has_status(self.server, "ACTIVE"):
                self.empty()
                self.fill()
                return
            if self._new_vcpus + max(VCPUS) > MOST_NEW_VCPUS:
                self._stop_and_start(step, adjusted=False)
            self._do(self.server, step)
        except GaveUp:
            # It was noted. The next step finds the server, or puts another in its place.
            return

    def fill(self) -> None:
        """Create the seat's server.

        :raises GaveUp: it is refused, or it does not become active
        """
        place = self._place
        owner = self._owner
        owner.tally.add(**self._created)
        try:
            answer = owner.ask(
                Kind.REPLACE.value,
                {202},
                lambda: owner.cloud.ask_for_server(NAME, place.flavor, place.image, place.host),
            )
        except BaseException:
            self._take_back()
            raise
        if answer.status != 202:
            self._take_back()
            raise GaveUp("create")
        self.server = str(answer.body["server"]["id"])
        self._started_anew()
        try:
            self._asking.cloud.wait_status(self.server, "ACTIVE", BUILD_SECONDS)
        except LabError as error:
            owner.tally.fail(f"created: {error}")
            raise GaveUp("create") from error

    def _take_back(self) -> None:
        self._owner.tally.add(**{what: -count for what, count in self._created.items()})

    def empty(self) -> None:
        """Delete the seat's server, if there is one, and wait until it is gone."""
        server, self.server = self.server, None
        if server is None:
            return
        asking = self._asking
        asking.tally.add(actions=1)
        answer = asking.ask(
            Kind.REPLACE.value,
            {204, 404},
            lambda: asking.cloud.call("DELETE", f"/servers/{server}"),
        )
        if answer.status != 204:
            asking.tally.add(actions=-1)
        asking.cloud.wait(f"{server} to be gone", lambda: not asking.shown(server), BUILD_SECONDS)

    def _do(self, server: str, step: Step) -> None:
        kind = step.kind
        size = self._size(step)
        if kind in ADJUSTMENTS:
            self._adjust(kind, server, {**size, **ADJUSTMENTS[kind]})
        elif kind is Kind.STOP:
            self._stop_and_start(step, adjusted=step.chance % 2 == 0)
        elif kind is Kind.SOFT_REBOOT:
            self._wait_for_guest(server)
            self._asking.act(kind.value, server, "reboot", {"type": "SOFT"})
        elif kind is Kind.HARD_REBOOT:
            self._asking.act(kind.value, server, "reboot", {"type": "HARD"})
            self._started_anew()
        elif kind is Kind.PAUSE:
            self._pause_and_unpause(server, step)
        elif kind is Kind.MIGRATE:
            self._migrate(server)
        elif kind is Kind.REPLACE:
            self.empty()
            self.fill()
        elif kind is Kind.LOAD:
            self._change_load(kind, server, step)
        else:
            self._ask_only(kind, server, step, size)

    def _ask_only(self, kind: Kind, server: str, step: Step, size: dict[str, object]) -> None:
        """Do a step that must change nothing."""
        allowed: tuple[int, ...]
        body: object = size
        who = self._asking
        if kind is Kind.STATUS:
            who.ask(kind.value, {200}, lambda: who.cloud.xloud_status(server))
            return
        if kind is Kind.DRY_RUN:
            allowed, body = (200, 409), {**size, "dry_run": True}
        elif kind is Kind.OUT_OF_BOUNDS:
            allowed, body = (400,), BEYOND[step.chance % len(BEYOND)]
        elif kind is Kind.MALFORMED:
            allowed, body = (400,), MALFORMED[step.chance % len(MALFORMED)]
        elif kind is Kind.OVER_QUOTA:
            allowed, body = (403,), {"current_vcpus": ABOVE_QUOTA}
        elif kind is Kind.NOT_ALLOWED:
            allowed, who = (403,), self._owner
        else:
            allowed, server = (404,), str(uuid.uuid4())
        who.ask(kind.value, allowed, lambda: who.cloud.adjust(server, body))

    def _size(self, step: Step) -> dict[str, object]:
        memory: dict[str, object] = {"current_memory_mb": step.memory_mb}
        return {"current_vcpus": step.vcpus, **memory} if self._elastic else memory

    def _adjust(self, kind: Kind, server: str, body: dict[str, object]) -> Answer:
        asking = self._asking
        asking.tally.add(adjustments=1)
        answer = asking.ask(kind.value, ADMITTED_OR_NOT, lambda: asking.cloud.adjust(server, body))
        if answer.status != 202:
            asking.tally.add(adjustments=-1)
        elif self._place.is_scaled:
            # Automatic growth may add again what a person has taken.
            self._may_grow()
        elif isinstance(vcpus := body.get("current_vcpus"), int):
            self._new_vcpus += max(0, vcpus - self._vcpus)
            self._vcpus = vcpus
        return answer

    def _change_load(self, kind: Kind, server: str, step: Step) -> None:
        """Give the guest another load, and let automatic growth follow it for a while.

        A guest that does not answer is no failure: without KVM one may take longer to boot, or it
        was stopped in the middle of a line.
        """
        tally = self._asking.tally
        self._may_grow()
        try:
            GuestLoad(self._asking.cloud, server).set(LOADS[step.chance % len(LOADS)])
        except NotSettled:
            tally.answered(kind.value, SILENT)
            return
        tally.add(loads=1)
        tally.answered(kind.value, OBEYED)
        time.sleep(LOAD_SECONDS)

    def _may_grow(self) -> None:
        """Count the vCPUs that automatic growth may add until the next step."""
        self._new_vcpus += max(VCPUS) - 1

    def _stop_and_start(self, step: Step, *, adjusted: bool) -> None:
        server = self.server
        if server is None:
            return
        self._wait_for_guest(server)
        self._asking.act(Kind.STOP.value, server, "os-stop")
        if self._asking.has_status(server, "SHUTOFF") and adjusted:
            self._adjust(Kind.ADJUST, server, self._size(step))
        self._asking.act(Kind.STOP.value, server, "os-start")
        self._started_anew()

    def _pause_and_unpause(self, server: str, step: Step) -> None:
        self._asking.act(Kind.PAUSE.value, server, "pause")
        if self._asking.has_status(server, "PAUSED") and step.chance % 2 == 0:
            self._adjust(Kind.ADJUST, server, self._size(step))
        self._asking.act(Kind.PAUSE.value, server, "unpause")

    def _migrate(self, server: str) -> None:
        asking = self._asking
        here = asking.cloud.host(server)
        (there,) = (host for host in self._hosts if host != here)
        asking.tally.add(moves=1)
        try:
            arguments = {"host": there, "block_migration": "auto"}
            asking.act(Kind.MIGRATE.value, server, "os-migrateLive", arguments)
        except GaveUp:
            asking.tally.add(moves=-1)
            raise
        if asking.cloud.host(server) != there:
            asking.tally.fail(f"{server} was not migrated from {here} to {there}")

    def _wait_for_guest(self, server: str) -> None:
        """Wait until the guest has said something: before, it does not see its power button."""
        console = self._asking.cloud.layout.instances / server / "console.log"
        until = time.monotonic() + GUEST_SECONDS
        while time.monotonic() < until:
            with suppress(FileNotFoundError):
                if guest.last_report(console.read_bytes()) is not None:
                    return
            time.sleep(POLL_SECONDS)

    def _started_anew(self) -> None:
        self._new_vcpus, self._vcpus = 0, 1
