"""What one change by automatic growth asks of the services of a cloud: numbers alone."""

import collections
import statistics

from tests.bench import worker
from tests.bench.figures import Figure, Result, Table
from tests.bench.printed import progress

_HOSTS = 2
OPERATIONS = {
    "automatic_growth": "growth of 1 vCPU and 256 MiB",
    "automatic_shrink": "shrink of 1 vCPU and 256 MiB",
    "room_asked": "question what is left",
    "round_at_rest": "round at rest",
    "reconcile_pass": "pass, one server",
}
"""By name in :mod:`tests.bench.scaled_cloud`: what it is, as in the rows."""

KINDS = {"object": "calls to conductor", "sql": "SQL statements", "placement": "Placement requests"}
"""By the first word of a count: what it is. The quota of a growth is one more call."""


def run(options):
    """A figure of each operation and kind, and a table of all counts."""
    counted = collections.defaultdict(list)
    one = worker.Worker(True, _HOSTS, False)
    try:
        one.answer()
        for operation, name in OPERATIONS.items():
            progress(f"  {name}")
            # The first of each kind reads what is kept afterwards.
            one.ask("asked", operation)
            for _ in range(options.count(5, 1)):
                counted[operation].append(one.ask("asked", operation))
    finally:
        one.close()
    return Result(tuple(_figures(counted)), (_table(counted),))


def _figures(counted):
    for operation, name in OPERATIONS.items():
        for kind, what in KINDS.items():
            pairs = tuple((None, _sum(one, kind)) for one in counted[operation])
            yield Figure(f"{name}: {what}", f"{what} for one {name}", None, "", pairs)


def _sum(counts, kind):
    """How often a kind was counted; a quota check is a call to a conductor too."""
    also = ("rpc check_growth",) if kind == "object" else ()
    return sum(n for name, n in counts.items() if name.split()[0] == kind or name in also)


def _table(counted):
    names = sorted({name for counts in counted.values() for one in counts for name in one})
    rows = tuple(
        (name, *(statistics.median(c.get(name, 0) for c in counted[o]) for o in OPERATIONS))
        for name in names
    )
    return Table("What is asked, medians", ("", *OPERATIONS.values()), rows)
