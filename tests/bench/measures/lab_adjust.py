"""From the request until the guest has it: an adjustment, and the same by hand on a like guest.

By hand: one PUT to Placement and libvirt's own calls, in the order in which nothing is promised
twice. Both guests print what they have, five times a second, on a console that is read as a file.
"""

import contextlib
import dataclasses

from lab.cloud import Size
from tests.bench import asking, guests, lab, paired
from tests.bench.figures import Figure, Goal, Result
from tests.bench.printed import progress, so_far

_GOAL = Goal(1.5)
_SMALL = Size(1, 512)
_RAM = 4096
# name of what is adjusted: the larger size
KINDS = {
    "vCPU": Size(2, 512),
    "memory, 256 MiB": Size(1, 768),
    "memory, 1 GiB": Size(1, 1536),
    "memory, 3 GiB": Size(1, 3584),
    "both, 1 vCPU and 1 GiB": Size(2, 1536),
}
# QEMU without KVM has 31 additions of a vCPU for each of these guests; a round takes two.
_ROUNDS_OF_A_GUEST = 15


def run(options):
    """Up and down, of vCPUs, of memory and of both: ten figures."""
    pairs = options.count(15, 2)
    timed = {(kind, way): [] for kind in KINDS for way in ("up", "down")}
    turns = iter(paired.order(pairs * len(timed), options.seed))
    cloud = lab.cloud()
    for begin in range(0, pairs, _ROUNDS_OF_A_GUEST):
        with _both(cloud) as both:
            for number in range(begin, min(begin + _ROUNDS_OF_A_GUEST, pairs)):
                progress(f"  round {number + 1} of {pairs}")
                _one_round(both, turns, timed)
    for (kind, way), measured in timed.items():
        progress("  " + so_far(f"{kind}, {way}", measured, "s"))
    figures = (
        Figure(
            f"{kind}, {way}",
            "POST os-xloud-adjust until the guest shows it",
            "PUT to Placement and libvirt's calls until the guest shows it",
            "s",
            tuple(measured),
            _GOAL,
        )
        for (kind, way), measured in timed.items()
    )
    return Result(tuple(figures))


def _one_round(both, turns, timed):
    for kind, large in KINDS.items():
        for way, before, after in (("up", _SMALL, large), ("down", large, _SMALL)):
            answers = [None, None]
            sides = (both.theirs, both.ours)
            for index in (1, 0) if next(turns) else (0, 1):
                answers[index] = sides[index](before, after)
            timed[kind, way].append(tuple(answers))


@dataclasses.dataclass(frozen=True)
class Both:
    """Two like guests and how each is adjusted; a side returns seconds."""

    server: str
    nova: asking.Nova
    log: asking.Log
    console: guests.Console
    plain: guests.Plain
    claim: asking.Claim

    def ours(self, before, after):
        """The request until the guest shows it; the rest of the run is waited for."""
        seconds, (_, request_id) = guests.seconds_until_seen(
            self.console, after, lambda: self.nova.adjust(self.server, after)
        )
        self.log.wait_for_end(request_id)
        return seconds

    def theirs(self, before, after):
        """Claimed first where it grows, released last where it shrinks."""
        grows = after.vcpus > before.vcpus or after.memory_mb > before.memory_mb

        def by_hand():
            if grows:
                self.claim.put(after)
            self.plain.set(before, after)

        seconds, _ = guests.seconds_until_seen(self.plain.console, after, by_hand)
        return seconds if grows else seconds + self.claim.put(after)


@contextlib.contextmanager
def _both(cloud):
    with lab.server(cloud, _RAM, _SMALL) as server, guests.plain(cloud, server, _SMALL) as plain:
        claim = asking.Claim(cloud)
        claim.put(_SMALL)
        try:
            yield Both(
                server=server,
                nova=asking.Nova(cloud),
                log=asking.Log(cloud.layout),
                console=guests.console_of(cloud, server),
                plain=plain,
                claim=claim,
            )
        finally:
            claim.give_back()
