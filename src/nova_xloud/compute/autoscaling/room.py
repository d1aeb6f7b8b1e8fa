# SPDX-License-Identifier: Apache-2.0
"""What rounds of automatic growth know of the room on their host, and when they ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from nova_xloud.compute.autoscaling.ports import ScaledGuests
from nova_xloud.compute.ports import HostInstances, ManagedInstance
from nova_xloud.core.autoscaling.arbitration import low_water
from nova_xloud.core.autoscaling.contest import Claimant, HostRoom
from nova_xloud.core.size import Size

# Seconds for which an answer is good enough while nobody wants more than it owns: on a host with
# little left, of which shrinks start early, and on any other.
KNOWN_FOR_IF_LOW, KNOWN_FOR = 60.0, 300.0
# Seconds until the same question is asked again, if the last two answers were the same; doubled
# each time. A region of full hosts would ask Placement thousands of times a second otherwise.
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 30.0


@dataclass(frozen=True, slots=True)
class Picture:
    """What a round has seen of the guests of a compute node, to notice when the room may differ.

    What others do on the host is not in it: new servers, deletions, and moves.

    :ivar wanting: the UUIDs of those that want more than they own
    :ivar sizes: by UUID, what each is to have and what it holds
    """

    wanting: frozenset[str]
    sizes: frozenset[tuple[str, Size, Size]]

    @classmethod
    def of(cls, claimants: Iterable[Claimant]) -> Picture:
        """Return the picture of all claimants of a compute node."""
        guests = tuple(claimants)
        return cls(
            frozenset(one.uuid for one in guests if one.wants_more),
            frozenset((one.uuid, one.desired, one.held) for one in guests),
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer of Placement about a compute node.

    :ivar at: when it came, in monotonic seconds
    :ivar picture: what the guests of the node were like then
    :ivar pause: for how many seconds it is good enough while the picture is the same and a guest
        wants more than it owns
    """

    room: HostRoom
    at: float
    picture: Picture
    pause: float = 0.0


class Rooms:
    """How much each compute node of a host has left, as Placement has answered last.

    :param now: returns monotonic seconds
    """

    def __init__(
        self, guests: ScaledGuests, host_instances: HostInstances, now: Callable[[], float]
    ) -> None:
        self._guests = guests
        self._host_instances = host_instances
        self._now = now
        self._answers: dict[str, _Answer] = {}

    def asked(
        self, members: Mapping[str, ManagedInstance], claimants: Mapping[str, Claimant]
    ) -> dict[str, Size]:
        """Ask Placement about each compute node for which that is due.

        While a guest wants more than it owns, its node is due if anything has changed there, and
        else after a pause that grows while the answers stay the same. The claims of the node's
        guests are then read too. Without such a guest a node is due seldom, and only its room is
        read.

        :param members: the instances, by UUID
        :param claimants: those of them that may be changed, by UUID
        :returns: the claims that were read, by UUID
        :raises PlacementUnavailable: Placement could not be asked, or answered with an error
        :raises NotFound: a compute node is not one of this host's
        """
        claims: dict[str, Size] = {}
        for node in sorted({members[uuid].node for uuid in claimants}):
            here = [uuid for uuid in claimants if members[uuid].node == node]
            picture = Picture.of(claimants[uuid] for uuid in here)
            if not self._is_due(node, picture):
                continue
            if picture.wanting:
                claims |= self._host_instances.allocations([members[uuid] for uuid in here])
            self._ask(node, picture)
        return claims

    def known(self, node: str) -> HostRoom:
        """Return what Placement has said last of a node; call :meth:`asked` first."""
        return self._answers[node].room

    def _is_due(self, node: str, picture: Picture) -> bool:
        answer = self._answers.get(node)
        if answer is None:
            return True
        age = self._now() - answer.at
        if picture.wanting:
            return answer.picture != picture or age >= answer.pause
        return age >= (KNOWN_FOR_IF_LOW if _is_low(answer.room) else KNOWN_FOR)

    def _ask(self, node: str, picture: Picture) -> None:
        before, room = self._answers.get(node), self._guests.room(node)
        pause = 0.0
        if before is not None and before.picture == picture and before.room == room:
            pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * before.pause))
        self._answers[node] = _Answer(room, self._now(), picture, pause)


def _is_low(room: HostRoom) -> bool:
    return any(
        pool.capacity - pool.reserve - pool.allocated < 2 * low_water(pool) for pool in room.pools
    )
