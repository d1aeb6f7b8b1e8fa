# SPDX-License-Identifier: Apache-2.0
"""What Placement has answered about the compute nodes of a host, and when it is asked again."""

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
    """The sizes of the scaled guests of a compute node in one round.

    If the sizes differ in a later round, Placement's last answer about the node may be outdated.
    New servers, deletions and moves do not show in a picture, so they are not noticed.

    :ivar wanting: the UUIDs of the guests that want more than they own already
    :ivar sizes: of each guest: UUID, desired size, and the size that must be claimed for it
    """

    wanting: frozenset[str]
    sizes: frozenset[tuple[str, Size, Size]]

    @classmethod
    def of(cls, claimants: Iterable[Claimant]) -> Picture:
        """Return the picture of a compute node, from all its claimants."""
        guests = tuple(claimants)
        return cls(
            frozenset(one.uuid for one in guests if one.wants_more),
            frozenset((one.uuid, one.desired, one.held) for one in guests),
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer of Placement about a compute node.

    :ivar room: the answer: capacity and allocations of the node, by resource class
    :ivar at: when the answer came, in monotonic seconds
    :ivar picture: the sizes of the node's scaled guests then
    :ivar pause: for how many seconds the answer is good enough while the picture is the same and a
        guest wants more than it owns
    """

    room: HostRoom
    at: float
    picture: Picture
    pause: float = 0.0


class Rooms:
    """Placement's last answer about each compute node of a host: its capacity and allocations.

    :param guests: asks Placement about a compute node
    :param host_instances: reads the claims of instances
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

        While a guest wants more than it owns already, its node is due if its guests' sizes have
        changed, and else after a pause that grows up to half a minute while the answers stay the
        same. The claims of the node's guests are then read too. Without such a guest a node is due
        every 1 or 5 minutes, and only its capacity and allocations are read.

        :param members: the instances, by UUID
        :param claimants: what the guests that may be changed have and want, by UUID
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
        """Return Placement's last answer about a compute node; call :meth:`asked` first."""
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
