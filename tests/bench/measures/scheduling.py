"""Scheduling a stock server, and a part of it: the requests to Placement."""

from tests.bench import rounds
from tests.bench.figures import Figure, Goal, Result

_GOAL = Goal(1.02)


def run(options):
    """CPU time, which has the goal, and the time on the clock."""
    counts, timed = rounds.in_rounds(options, options.hosts, ("schedule", "request"))
    what = f"select_destinations among {options.hosts} hosts, with nova-xloud"
    figures = (
        Figure(f"scheduling, {kind}", what, "stock Nova", "ms", pairs, goal)
        for kind, goal, pairs in (
            ("cpu", _GOAL, rounds.pairs_of(timed["schedule"], "cpu")),
            ("wall", None, rounds.pairs_of(timed["schedule"], "wall")),
        )
    )
    built = Figure(
        "200 requests built, cpu",
        "what is asked of Placement, made of a request spec 200 times, with nova-xloud",
        "stock Nova",
        "ms",
        rounds.pairs_of(timed["request"], "cpu"),
    )
    table = rounds.counts_table("Scheduling asks", *counts["schedule"])
    return Result((*figures, built), (table,))
