"""A boot of a stock server: POST to ACTIVE and the end of the build."""

from tests.bench import rounds
from tests.bench.figures import Figure, Goal, Result

_HOSTS = 2
_GOAL = Goal(1.02)


def run(options):
    """CPU time, which has the goal, and the time on the clock."""
    counts, timed = rounds.in_rounds(options, _HOSTS, ("boot",))
    figures = (
        Figure(
            f"boot, {kind}",
            "POST /servers until the build has ended, with nova-xloud",
            "stock Nova",
            "ms",
            rounds.pairs_of(timed["boot"], kind),
            goal,
        )
        for kind, goal in (("cpu", _GOAL), ("wall", None))
    )
    return Result(tuple(figures), (rounds.counts_table("A boot asks", *counts["boot"]),))
