"""A load that rises and falls, and what becomes of it on one host. Pure.

A server needs one to four units, minute by minute; a unit is a vCPU and its memory.
"""

import math
import random
from dataclasses import dataclass

LEAST, MOST = 1, 4
MINUTES = 60
# Of a server that is at its most: how much all do together, and how much by itself.
_TOGETHER, _ALONE = 0.7, 3.0
# Minutes by which one comes earlier or later than all do.
_APART = 15
# Minutes in which a server rises from its least to its most, stays, and falls.
_RISES = (8, 16)


def demand(servers, minutes=MINUTES, seed=1):
    """What each server needs in each minute: a tuple of a tuple a server.

    All rise a little towards the midst of the hour and fall again, some earlier and some later, as
    users come and go. Beyond that each has one spell of its own, somewhere in the hour. Server n
    needs the same whoever else there is.
    """
    return tuple(_of_one(random.Random(f"{seed} {number}"), minutes) for number in range(servers))


def _of_one(draw, minutes):
    length = draw.uniform(*_RISES)
    begins = draw.uniform(-length / 2, MINUTES - length / 2)
    late = draw.uniform(-_APART, _APART)
    return tuple(_units(minute, begins, length, late) for minute in range(minutes))


def _units(minute, begins, length, late):
    together = 0.5 - 0.5 * math.cos(2 * math.pi * (minute - late) / MINUTES)
    into = (minute - begins) / length
    alone = math.sin(math.pi * into) if 0 < into < 1 else 0
    return min(MOST, LEAST + round(_TOGETHER * together + _ALONE * alone))


@dataclass(frozen=True, slots=True)
class Hour:
    """What became of a load.

    :ivar needed: units that all servers needed, by minute
    :ivar had: units that all servers had, by minute
    :ivar claimed: units that the host had claimed for them, by minute
    :ivar asked: how many growths were asked for
    :ivar refused: how many of them were refused
    """

    servers: int
    needed: tuple
    had: tuple
    claimed: tuple
    asked: int = 0
    refused: int = 0

    @property
    def unmet(self):
        """The share of what was needed that was not there, of 1."""
        return 1 - sum(self.had) / sum(self.needed)

    @property
    def idle(self):
        """The share of what was claimed that nobody needed, of 1."""
        return 1 - sum(self.had) / sum(self.claimed)


def hour(sizes, needs, asked=0, refused=0):
    """The :class:`Hour` of servers with these sizes, in units, by minute and server."""
    by_minute = tuple(zip(*needs, strict=True))
    had = (
        sum(min(size, need) for size, need in zip(one, needed, strict=True))
        for one, needed in zip(sizes, by_minute, strict=True)
    )
    return Hour(
        servers=len(needs),
        needed=tuple(map(sum, by_minute)),
        had=tuple(had),
        claimed=tuple(map(sum, sizes)),
        asked=asked,
        refused=refused,
    )
