# SPDX-License-Identifier: Apache-2.0
"""What must hold after every effect, and at the end.

What no engine could prevent is excused: memory that a guest takes by itself, above what its balloon
was told, until a run has had the time to account for it. From then on it is reserved, or the alarm
stands.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_xloud.compute.outcome import Outcome
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.state import ADJUSTABLE_STATES
from nova_xloud.core.size import Size
from nova_xloud.errors import GuestRefused, NoCapacity
from nova_xloud.testing import Behaviour
from nova_xloud.testing.fake_ports import NOTHING
from tests.simulator.scenario import RECONCILE_EVERY
from tests.simulator.schedule import Actor, Violation
from tests.simulator.server import Server
from tests.simulator.settlement import alarm_stands, unsettled

if TYPE_CHECKING:
    from nova_xloud.core.instance.guest import DomainReading
    from tests.simulator.history import World

# A call that was begun before a user's operation may end within it.
OVERLAP = 8.0
# The next reconcile pass, those before it in the pool, and the run itself.
ACCOUNTED = 3 * RECONCILE_EVERY
# Writes of one claim between two passes: each of a few admissions and runs takes a few.
MOST_WRITES = 40
# From the moment an admission has the lock until it is written, conflicts and all.
COMMIT = 12.0


# Guests that are never done: at no moment need all be settled.
RESTLESS = (Behaviour.TAKES_BACK, Behaviour.INTERMITTENT)


@dataclass
class Asking:
    """A request that nova-compute is admitting.

    :ivar arrived: when it began that it is answered within ``answer_within`` seconds
    :ivar claim: what was reserved when it was first written; None: it was not
    :ivar wrote: it has written the record
    :ivar disturbed: Placement has not done, or not said, what it was told; or the claim was moved
    """

    server: Server
    arrived: float
    answer_within: float
    claim: Size | None = None
    wrote: bool = False
    disturbed: bool = False


class Checks:
    def __init__(self, world: World) -> None:
        self._world = world
        self._asking: dict[Actor, Asking] = {}
        # What each actor has seen last of a guest.
        self._seen: dict[Actor, tuple[Server, Size]] = {}
        # What QEMU said of it then.
        self._actuated: dict[Actor, Size] = {}
        # Actors that have called a guest since they have read a claim.
        self._called: set[Actor] = set()
        # When the claim of each was written last, or was to be.
        self._writes: dict[str, deque[float]] = {}

    def everything(self) -> None:
        """Of every instance, and of the host."""
        for server in self._world.servers:
            self._reserved(server)
            self._alive(server)
        provider = self._world.provider
        if provider.has_promised_too_much():
            self._broken(f"the host has {provider.capacity} and has promised {provider.used}")

    def _reserved(self, server: Server) -> None:
        held, reserved = server.held, server.reserved
        # More than its balloon was told is the guest's own doing.
        ours = min(held.memory_mb, server.told_mb)
        if held.vcpus > reserved.vcpus or ours > reserved.memory_mb:
            self._broken(f"{server.name} holds {held} and {reserved} are reserved", server)
        now = self._world.schedule.now()
        if held.memory_mb > server.seen_mb:
            server.grew_at = now
        server.seen_mb = held.memory_mb
        if held.memory_mb <= reserved.memory_mb or self._disturbed(server):
            server.quiet_since = now
        elif now - max(server.quiet_since, server.grew_at) > ACCOUNTED:
            self._accounted_for(server)

    def _disturbed(self, server: Server) -> bool:
        """Whether nova-xloud cannot, or need not yet, account for what the guest took."""
        world = self._world
        record = server.record
        return (
            record.task_state is not None
            or world.compute.is_held(server)
            or not world.compute.process.alive
            # A run that makes it smaller says at its end how far it came.
            or server.runs > 0
            or world.compute.is_busy
            or world.provider.unreachable
            or self._is_booting(server)
        )

    def _is_booting(self, server: Server) -> bool:
        since = self._world.schedule.now() - server.booted_at
        return since < self._world.scenario.options.boot_grace + 1.0

    def _alive(self, server: Server) -> None:
        if server.guest.memory.oom_kills and not server.forced:
            self._broken(f"{server.name} was made smaller than it needs, and has died of it")

    def qemu_has_died(self, server: Server) -> None:
        """It ran before vCPUs were added, and does not now."""
        self._broken(f"{server.name}: an addition after an unsettled removal has ended QEMU")

    def guest_is_ours(self, server: Server, what: str) -> None:
        """Called when the guest is about to be told something."""
        since = self._world.schedule.now() - server.task_since
        if server.record.task_state is not None and since > OVERLAP:
            self._broken(
                f"{what} while {server.name} has been {server.record.task_state} for {since:.0f} s"
            )

    def seen(self, server: Server, reading: DomainReading) -> None:
        """The current actor has read the guest."""
        held, actuated = reading.held, reading.actuated
        self._seen[self._world.actor] = (server, held if reading.running else NOTHING)
        self._actuated[self._world.actor] = actuated if reading.running else NOTHING

    def last_seen(self, server: Server) -> Size:
        """What the current actor has seen that it holds, when it last looked."""
        whose, held = self._seen.get(self._world.actor, (None, NOTHING))
        return held if whose is server else NOTHING

    def guest_called(self) -> None:
        """The current actor calls the guest, who may take as long as a whole migration."""
        self._called.add(self._world.actor)

    def claim_read(self) -> None:
        """The current actor reads the claim."""
        self._called.discard(self._world.actor)

    def writes_a_claim(self, server: Server) -> None:
        """nova-xloud writes, or would write, what it has read before."""
        if self._world.actor in self._called:
            self._broken(f"the claim of {server.name} was read before its guest was called")
        now = self._world.schedule.now()
        writes = self._writes.setdefault(server.uuid, deque(maxlen=MOST_WRITES))
        if len(writes) == MOST_WRITES and now - writes[0] < RECONCILE_EVERY:
            self._broken(
                f"the claim of {server.name} was written {MOST_WRITES} times in "
                f"{now - writes[0]:.1f} s"
            )
        writes.append(now)

    def claimed(self, server: Server, before: Size) -> None:
        """Called when nova-xloud has written the claim."""
        self._not_below_definitions(server, before)
        asking = self._asking.get(self._world.actor)
        if asking is None:
            self._not_below_what_was_seen(server, before)
        elif asking.claim is None:
            asking.claim = before
        if server.claims.elsewhere or server.migration is not None:
            self._broken(f"the claim of {server.name}, which is being moved, was overwritten")

    def not_claimed(self) -> None:
        """Called when Placement has not done, or not said, what nova-xloud has told it."""
        asking = self._asking.get(self._world.actor)
        if asking is not None:
            asking.disturbed = True

    def claim_moves(self, server: Server) -> None:
        """An operation takes the claim: a request that is refused gives nothing of it back.

        What comes back with the claim is more than there should be, and released by the next run.
        """
        for asking in self._asking.values():
            if asking.server is server:
                asking.disturbed = True

    def _not_below_what_was_seen(self, server: Server, before: Size) -> None:
        now, held = server.claims.size, self.last_seen(server)
        if not now.covers(_smaller(before, held)):
            self._broken(f"{server.name} was seen to hold {held}, and all but {now} is released")

    def _not_below_definitions(self, server: Server, before: Size) -> None:
        now = server.claims.size
        for what, size in server.definitions.items():
            if not now.covers(_smaller(before, size)):
                self._broken(f"{server.name}: {what} starts {size}, and all but {now} is released")

    def recorded(self, server: Server, before: Desired) -> None:
        """Called when nova-xloud has written the record."""
        if server.record.task_state is not None:
            self._broken(f"{server.name} is {server.record.task_state}, and its record was written")
        asking = self._asking.get(self._world.actor)
        if asking is None:
            self._same_wish(server, before)
            return
        asking.wrote = True
        late = self._world.schedule.now() - asking.arrived - asking.answer_within
        if late > COMMIT:
            self._broken(f"admitted {late:.0f} s after nobody waited for the answer any more")

    def _same_wish(self, server: Server, before: Desired) -> None:
        now = server.record.desired
        if now.given_up not in (None, before.given_up):
            self._given_up(server, before)
        elif now.generation != before.generation or now.persisted != before.persisted:
            self._broken(f"what was asked of {server.name} was overwritten")

    def _given_up(self, server: Server, before: Desired) -> None:
        """After the last try each resource has what was persisted, or what QEMU was set to; and all
        of that is reserved, and what the guest was seen to hold.

        Not what it holds: where nobody confirms QEMU's number (a driver that has not reported since
        the guest has started), that is the maximum of memory, and no size that anybody asked for.
        """
        # The record is written by whoever has just read the guest.
        now, actuated = server.record.desired, self._actuated.get(self._world.actor, NOTHING)
        for kept, was, has in (
            (now.persisted.vcpus, before.persisted.vcpus, actuated.vcpus),
            (now.persisted.memory_mb, before.persisted.memory_mb, actuated.memory_mb),
        ):
            if kept not in (was, has):
                self._broken(f"{server.name} was given up, and {now.persisted} are persisted")
        if not server.claims.size.covers(now.claim.at_least(self.last_seen(server))):
            self._broken(f"{server.name} keeps {now.claim}, which are not reserved")
        if not self._world.scenario.options.give_up_after:
            self._broken(f"{server.name} was given up, and that is never to be")

    def asks(self, asking: Asking) -> None:
        """The current actor admits a request."""
        self._asking[self._world.actor] = asking

    def refused(self) -> None:
        """The current actor's request was refused."""
        asking = self._asking.pop(self._world.actor)
        if asking.wrote:
            self._broken(f"a request for {asking.server.name} was refused, and was written")
        server = asking.server
        if asking.claim is None or asking.disturbed or server.migration is not None:
            return
        held = self.last_seen(server).at_least(server.held)
        if not asking.claim.at_least(held).covers(server.claims.size):
            self._broken(f"a request for {server.name} was refused, and is still claimed")

    def admitted(self) -> None:
        """The current actor's request was admitted, or failed."""
        self._asking.pop(self._world.actor, None)

    def kept_waiting(self, server: Server, seconds: float, patience: float) -> None:
        """A user's operation has got the lock after ``seconds``."""
        if seconds > patience:
            self._broken(
                f"a user's operation on {server.name} was kept waiting for {seconds:.0f} s"
            )

    def may_start(self, server: Server, needs: Size) -> None:
        """A guest is about to start with what it needs."""
        if not server.claims.size.covers(needs):
            self._broken(
                f"{server.name} starts with {needs}, and {server.claims.size} are reserved"
            )

    def run_begins(self, server: Server) -> None:
        server.runs += 1

    def run_ended(self, server: Server, began: float, end: Outcome | Exception) -> None:
        """A run that had the time to account for what the guest took by itself."""
        server.runs -= 1
        self.everything()
        converged = isinstance(end, Outcome) and end.converged
        if not (converged or isinstance(end, GuestRefused | NoCapacity)):
            return
        if server.grew_at < began and not self._disturbed(server):
            self._accounted_for(server)

    def _accounted_for(self, server: Server) -> None:
        excess = not server.reserved.covers(server.held)
        if excess and not alarm_stands(server):
            self._broken(
                f"{server.name} holds {server.held}, {server.reserved} are reserved, and no alarm "
                f"stands"
            )

    def at_the_end(self) -> None:
        """Nothing has happened for long: all is as it should be, or it is said why not."""
        self.everything()
        for server in self._world.servers:
            if server.record.deleted or not server.record.on_this_host:
                if server.claims.size != NOTHING:
                    self._broken(f"{server.name} is gone, and {server.claims.size} are reserved")
            elif server.work is None:
                if server.guest.behaviour in RESTLESS:
                    continue
                self._accounted_for(server)
                if server.record.vm_state in ADJUSTABLE_STATES:
                    for what in unsettled(self._world, server):
                        self._broken(what)

    def _broken(self, what: str, server: Server | None = None) -> None:
        self._world.note(f"BROKEN: {what}", server)
        # Not raised in the actor: the engine might handle it.
        self._world.schedule.end(Violation(what))


def _smaller(one: Size, other: Size) -> Size:
    return Size(min(one.vcpus, other.vcpus), min(one.memory_mb, other.memory_mb))
