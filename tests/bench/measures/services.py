"""What each service costs before it does anything: the CPU time of its imports, and its memory."""

from tests.bench import fresh, rounds
from tests.bench.figures import Figure, Result
from tests.bench.printed import progress

_KINDS = (
    ("imports, cpu", "cpu", "ms"),
    ("memory, pss", "pss", "MiB"),
    ("memory, rss", "rss", "MiB"),
)


def run(options):
    """Three figures a service."""
    figures = []
    starts = options.count(15, 2)
    for service in fresh.SERVICES:
        progress(f"  {service}: {starts} pairs of fresh processes")
        pairs = fresh.in_turns(service, starts, options.seed, same=options.same)
        figures += [
            Figure(
                f"{service}, {name}",
                "a fresh process that has imported all, with nova-xloud",
                "stock Nova",
                unit,
                rounds.pairs_of(pairs, kind),
            )
            for name, kind, unit in _KINDS
        ]
    return Result(tuple(figures))
