"""The sequence of a chaos run, as data: a pure function of the seed.

First comes each fault alone, in an order that the seed decides, and then pairs of faults without an
end; or single faults, if no two may be mixed. A run plays as many rounds as its minutes allow.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

# vCPUs and MiB. Each size has more of both than the one before.
SIZES = ((1, 512), (2, 640), (3, 768), (4, 1024))
# Where all servers begin: they can grow and shrink.
FIRST = 2
# Seconds from the requests to the fault.
LEADS = (0.0, 0.3, 1.0, 2.5)


class Way(Enum):
    """Whether a fault needs a request that grows a server, or one that shrinks a server."""

    ANY = auto()
    GROW = auto()
    SHRINK = auto()


@dataclass(frozen=True)
class Round:
    """One round: faults, and what is asked for meanwhile.

    :ivar number: counts from 1
    :ivar faults: the names of one or two faults
    :ivar target: the index of the server that a fault of one server is for
    :ivar sizes: for each server (vCPUs, MiB)
    :ivar lead: seconds from the requests to the faults that may come at any time
    """

    number: int
    faults: tuple[str, ...]
    target: int
    sizes: tuple[tuple[int, int], ...]
    lead: float

    def __str__(self) -> str:
        sizes = ", ".join(f"{vcpus}/{memory_mb}" for vcpus, memory_mb in self.sizes)
        return (
            f"{self.number:>3}  {' + '.join(self.faults)}; server {self.target}; "
            f"sizes {sizes}; {self.lead} s after the requests"
        )


def rounds(
    seed: int, faults: Mapping[str, Way], servers: int, alone: Sequence[str] = ()
) -> Iterator[Round]:
    """Yield the rounds of a seed, without an end.

    :param faults: each fault with what it needs its server to be asked for
    :param servers: how many servers there are; all begin with the size number ``FIRST``
    :param alone: faults that are not mixed with others
    """
    dice = random.Random(seed)
    at = [FIRST] * servers
    mixed = sorted(set(faults) - set(alone))
    for number, names in enumerate(_combinations(dice, sorted(faults), mixed), 1):
        needed = [faults[name] for name in names]
        target = dice.choice([s for s in range(servers) if _fits(at[s], needed)] or range(servers))
        for server in range(servers):
            at[server] = _next(dice, at[server], needed if server == target else [])
        sizes = tuple(SIZES[index] for index in at)
        yield Round(number, names, target, sizes, dice.choice(LEADS))


def _combinations(
    dice: random.Random, singles: Sequence[str], mixed: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    order = list(singles)
    dice.shuffle(order)
    for name in order:
        yield (name,)
    while len(mixed) < 2:
        yield (dice.choice(order),)
    while True:
        first, second = dice.sample(mixed, 2)
        yield first, second


def _fits(now: int, ways: Sequence[Way]) -> bool:
    """Return whether a server of the size number ``now`` can grow or shrink as is needed first."""
    needed = next((way for way in ways if way is not Way.ANY), Way.ANY)
    impossible = {Way.GROW: now == len(SIZES) - 1, Way.SHRINK: now == 0}
    return not impossible.get(needed, False)


def _next(dice: random.Random, now: int, ways: Sequence[Way]) -> int:
    """Return the index of another size; larger or smaller where a fault needs it."""
    larger = [index for index in range(len(SIZES)) if index > now]
    smaller = [index for index in range(len(SIZES)) if index < now]
    needed = next((way for way in ways if way is not Way.ANY), Way.ANY)
    if needed is Way.GROW and larger:
        return dice.choice(larger)
    if needed is Way.SHRINK and smaller:
        return dice.choice(smaller)
    return dice.choice(larger + smaller)
