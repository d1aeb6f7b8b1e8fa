"""Many requests to grow at once on one host, while guests of it refuse to shrink.

The requests go over RabbitMQ to the real engine with simulated guests, records in SQLite and
claims in a real Placement; beside them stand as many PUTs of allocations to the same Placement, by
as many clients as it answers at once.
"""

import math
import statistics

from tests.bench import paired, servers, staying
from tests.bench.figures import WORST, Figure, Goal, Result, Table
from tests.bench.printed import progress

HOST, CALLERS = "tests.bench.busy_host", "tests.bench.many_callers"
# Each server grows three times: its sizes, the smallest first.
_SIZES = ((2, 640), (3, 768), (4, 1024))
_REFUSING = 100
# Of each number at once: rounds, and those of a quick run.
_ROUNDS = {1: (39, 3), 10: (12, 3), 100: (4, 1), 500: (3, 0)}


def run(options):
    """Two figures of each number at once, and what became of the claims."""
    plan = {n: options.count(*rounds) for n, rounds in _ROUNDS.items()}
    plan = {n: rounds for n, rounds in plan.items() if rounds}
    refusing = 10 if options.quick else _REFUSING
    with servers.running() as both, staying.process() as host, staying.process() as callers:
        provider = host.call(f"{HOST}:start", both.placement, both.transport)
        callers.call(f"{CALLERS}:start", both.placement, both.transport, provider)
        progress(f"  {refusing} servers that refuse to shrink")
        host.call(f"{HOST}:refuse", refusing)
        callers.call(f"{CALLERS}:put", max(plan))
        measured = {}
        for at_once, rounds in plan.items():
            progress(f"  {at_once} at once, {rounds} rounds")
            measured[at_once] = _rounds(host, callers, at_once, rounds, options.seed)
        waiting = host.call(f"{HOST}:waiting")
        servers_of_host, lost = host.call(f"{HOST}:lost")
        host.call(f"{HOST}:stop")
    figures = [one for n, rounds in measured.items() for one in _figures(n, rounds, refusing)]
    figures.append(
        Figure(
            "claims lost",
            f"after all of it, servers of {servers_of_host} of which claim, columns and guest do "
            f"not agree; {waiting} of them still refuse to shrink",
            None,
            "",
            ((None, lost),),
            Goal(0, WORST),
        )
    )
    return Result(tuple(figures), (_table(measured),))


def _rounds(host, callers, at_once, rounds, seed):
    """``[{"puts": seconds, "answers": [seconds], "grown": [seconds], "refused": n}, ...]``."""
    turns, measured, uuids = paired.order(rounds, seed), [], []
    for number, ours_first in enumerate(turns):
        step = number % len(_SIZES)
        if step == 0:
            added = host.call(f"{HOST}:add", at_once)
            callers.call(f"{CALLERS}:learn", added)
            uuids = [one["nova_object.data"]["uuid"] for one in added]
        puts = None if ours_first else callers.call(f"{CALLERS}:put", at_once)
        asked = callers.call(f"{CALLERS}:ask", uuids, _SIZES[step])
        reached = host.call(f"{HOST}:reached", uuids)
        puts = puts or callers.call(f"{CALLERS}:put", at_once)
        measured.append(
            {
                "puts": puts,
                "answers": [answered - began for began, answered, _ in asked],
                "grown": [at - one[0] for at, one in zip(reached, asked, strict=True)],
                "refused": sum(refusal is not None for _, _, refusal in asked),
            }
        )
        last = measured[-1]
        progress(f"    {puts:.2f} s, {max(last['answers']):.2f} s, {max(last['grown']):.2f} s")
    return measured


def _figures(at_once, rounds, refusing):
    yield Figure(
        f"{at_once} at once, answered",
        f"{at_once} requests to grow at once, from the first to the last answer",
        f"{at_once} PUTs to Placement",
        "s",
        tuple((one["puts"], max(one["answers"])) for one in rounds),
    )
    yield Figure(
        f"{at_once} at once, grown",
        "the same, until the last guest was seen to have its size",
        f"{at_once} PUTs to Placement",
        "s",
        tuple((one["puts"], max(one["grown"])) for one in rounds),
    )
    # Of one at a time a distribution is made of all rounds.
    samples = [one["grown"] for one in rounds]
    samples = [[s for one in samples for s in one]] if at_once == 1 else samples
    yield Figure(
        f"{at_once} at once, p99 of growth",
        f"99 of 100 have grown by then, while {refusing} guests refuse to shrink",
        "the median of the same",
        "s",
        tuple((_percentile(one, 50), _percentile(one, 99)) for one in samples),
        Goal(2.0),
    )


def _table(measured):
    rows = []
    for at_once, rounds in measured.items():
        puts = statistics.median(at_once / one["puts"] for one in rounds)
        admitted = statistics.median(at_once / max(one["answers"]) for one in rounds)
        grown = statistics.median(at_once / max(one["grown"]) for one in rounds)
        refused = sum(one["refused"] for one in rounds)
        rows.append((at_once, len(rounds), puts, admitted, grown, refused))
    header = ("at once", "rounds", "PUTs a second", "answers a second", "grown a second", "refused")
    return Table("What is done in a second", header, tuple(rows))


def _percentile(numbers, percent):
    """The smallest number that so many percent are not above (nearest rank)."""
    ranked = sorted(numbers)
    return ranked[math.ceil(len(ranked) * percent / 100) - 1]
