"""What is done to the servers of a soak run, as data: a pure function of the seed."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from lab.guest.load import IDLE, Load

# vCPUs and MiB that the elastic servers are asked for, within the bounds of xloud.demo.
VCPUS = (1, 2, 3, 4, 5)
MEMORY_MB = (512, 576, 640, 768, 896, 1024)
# The stock server has 512 MiB at most, and its guest lives with the least of these.
STOCK_MEMORY_MB = (384, 448, 512)


class Kind(Enum):
    """One kind of step; the value is its name in the table of answers."""

    ADJUST = "adjust"
    FOR_NOW = "adjust until the next stop"
    FORCED = "adjust by force"
    DRY_RUN = "dry run"
    OUT_OF_BOUNDS = "adjust beyond the bounds"
    MALFORMED = "malformed adjust"
    OVER_QUOTA = "adjust beyond the quota"
    NOT_ALLOWED = "adjust without the right"
    NO_SERVER = "adjust no server"
    STATUS = "status"
    STOP = "stop, start"
    SOFT_REBOOT = "soft reboot"
    HARD_REBOOT = "hard reboot"
    PAUSE = "pause, unpause"
    MIGRATE = "live migration"
    REPLACE = "delete, create"
    LOAD = "change the guest's load"


# What the guest of the server that scales by itself is to do, within 1024 MiB. So few CPUs are
# wanted that the server grows to no more vCPUs than VCPUS has.
LOADS = (
    Load(burners=3, percent=60),
    Load(memory_mb=300, memory_rate=20),
    Load(burners=2, memory_mb=150, memory_rate=20),
    Load(jobs=2, job_mb=60),
    IDLE,
)

# How often each kind comes, of 100 or so.
ELASTIC: Mapping[Kind, int] = {
    Kind.ADJUST: 30,
    Kind.FOR_NOW: 8,
    Kind.FORCED: 5,
    Kind.DRY_RUN: 8,
    Kind.OUT_OF_BOUNDS: 5,
    Kind.MALFORMED: 5,
    Kind.NO_SERVER: 2,
    Kind.STATUS: 15,
    Kind.STOP: 3,
    Kind.SOFT_REBOOT: 2,
    Kind.HARD_REBOOT: 3,
    Kind.PAUSE: 4,
    Kind.MIGRATE: 3,
    Kind.REPLACE: 3,
}
# A server of a project with a quota, and a user who may not adjust it.
TENANT: Mapping[Kind, int] = {**ELASTIC, Kind.OVER_QUOTA: 5, Kind.NOT_ALLOWED: 5}
# A server that scales by itself. Nothing is taken from its guest by force, so it lives on.
SCALED: Mapping[Kind, int] = {
    Kind.LOAD: 50,
    Kind.ADJUST: 8,
    Kind.FOR_NOW: 4,
    Kind.DRY_RUN: 4,
    Kind.STATUS: 15,
    Kind.STOP: 2,
    Kind.SOFT_REBOOT: 2,
    Kind.HARD_REBOOT: 2,
    Kind.PAUSE: 4,
    Kind.MIGRATE: 5,
    Kind.REPLACE: 4,
}
STOCK: Mapping[Kind, int] = {
    Kind.ADJUST: 10,
    Kind.MALFORMED: 2,
    Kind.STATUS: 10,
    Kind.STOP: 3,
    Kind.SOFT_REBOOT: 2,
    Kind.HARD_REBOOT: 3,
    Kind.PAUSE: 4,
    Kind.MIGRATE: 3,
    Kind.REPLACE: 4,
}


@dataclass(frozen=True)
class Step:
    """One step of a server.

    :ivar vcpus: the vCPUs that an adjustment asks for, if the step has one
    :ivar memory_mb: the MiB that it asks for
    :ivar chance: 0 to 99; decides details, such as which malformed body is sent
    """

    kind: Kind
    vcpus: int
    memory_mb: int
    chance: int


def steps(
    seed: int, seat: int, weights: Mapping[Kind, int], memory_mb: tuple[int, ...] = MEMORY_MB
) -> Iterator[Step]:
    """Yield the steps of one seat for a seed, without an end.

    :param seat: which server; each has a sequence of its own
    :param weights: how often each kind comes
    :param memory_mb: the sizes to choose from
    """
    chance = random.Random(f"{seed}/{seat}")
    kinds, how_often = list(weights), list(weights.values())
    while True:
        (kind,) = chance.choices(kinds, how_often)
        yield Step(kind, chance.choice(VCPUS), chance.choice(memory_mb), chance.randrange(100))
