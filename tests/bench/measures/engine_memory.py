"""Memory and threads of the process of the engine, after many adjustments.

It is not a whole nova-compute: our manager with Nova's libvirt driver on Nova's fake libvirt, and
metrics on. Twice: many adjustments with records, claims and actions in memory, since each costs
Nova's database a fifth of a second; and fewer with records in SQLite and claims in a real
Placement. Beside it stands the same process with as many servers, in which none is adjusted.
"""

from dataclasses import dataclass

from tests.bench import servers, staying
from tests.bench.figures import OURS, WORST, Figure, Goal, Result, Table
from tests.bench.printed import progress

HOST = "tests.bench.adjusting_host"
_SAMPLES = 5
_TRACED = 100


@dataclass(frozen=True)
class _Kind:
    """What is measured: so many adjustments of so many servers.

    :ivar name: for rows
    :ivar in_memory: records, claims and actions are fakes
    """

    name: str
    in_memory: bool
    servers: int
    adjustments: int


_KINDS = (_Kind("in memory", True, 1000, 10_000), _Kind("real ports", False, 40, 400))
_QUICK = (_Kind("in memory", True, 20, 100), _Kind("real ports", False, 5, 20))


def run(options):
    """What memory and threads have grown by, and what is left when all servers are deleted."""
    results = []
    with servers.running(with_rabbitmq=False) as both:
        for kind in _QUICK if options.quick else _KINDS:
            results.append(_measured(both, kind))
        traced = 20 if options.quick else _TRACED
        progress(f"  {traced} adjustments, traced")
        with staying.process() as watched:
            watched.call(f"{HOST}:start", both.placement, 20, False)
            allocated, most = watched.call(f"{HOST}:trace", traced)
    figures = [figure for one in results for figure in one.figures]
    figures.append(
        Figure(
            "allocated, by Python's account",
            f"what tracemalloc sees of {traced} adjustments with real ports after they have ended",
            None,
            "MiB",
            ((None, allocated),),
        )
    )
    tables = [table for one in results for table in one.tables]
    return Result(tuple(figures), (*tables, _where(most, traced)))


def _measured(both, kind):
    progress(f"  {kind.servers} servers in each of two processes, {kind.name}")
    each = kind.adjustments // _SAMPLES
    start = (f"{HOST}:start", both.placement, kind.servers, kind.in_memory)
    with staying.process() as ours, staying.process() as theirs:
        for one in (theirs, ours):
            one.begin(*start)
        taken = [(theirs.result(), ours.result())]
        for number in range(_SAMPLES):
            taken.append((theirs.call(f"{HOST}:rest"), ours.call(f"{HOST}:adjust", each)))
            progress(f"    {(number + 1) * each} adjustments: {taken[-1][1]}")
        lost = ours.call(f"{HOST}:lost")
        left, empty = ours.call(f"{HOST}:end")
    progress("".join(f"  left: {path}\n" for path in left))
    return Result(tuple(_figures(kind, taken, lost, left)), (_table(kind, taken, each, empty),))


def _figures(kind, taken, lost, left):
    yield _growth(kind, "RSS", taken)
    yield _growth(kind, "PSS", taken)
    yield Figure(
        f"threads, {kind.name}",
        f"threads of the process after {kind.adjustments} adjustments",
        "after the first fifth of them",
        "",
        ((taken[1][1]["threads"], taken[-1][1]["threads"]),),
        Goal(1.0),
    )
    what = f"after {kind.adjustments} adjustments, servers of {kind.servers} of which claim, "
    counts = {
        "claims lost": (lost, what + "columns and guest do not agree"),
        "kept of servers that are deleted": (
            len(left),
            "places in the engine that still name one, once all are deleted and two passes over",
        ),
    }
    for name, (number, text) in counts.items():
        pairs = ((None, number),)
        yield Figure(f"{name}, {kind.name}", text, None, "", pairs, Goal(0, WORST))


def _growth(kind, name, taken):
    begin, end = taken[0][1][name.lower()], taken[-1][1][name.lower()]
    return Figure(
        f"memory, {name}, {kind.name}",
        f"what {kind.adjustments} adjustments of {kind.servers} servers have added",
        None,
        "MiB",
        ((None, end - begin),),
        Goal(50.0, OURS),
    )


def _table(kind, taken, each, empty):
    header = ("adjustments", "RSS beside", "RSS", "PSS beside", "PSS", "threads beside", "threads")
    rows = [
        (number * each, *(one[of] for of in ("rss", "pss", "threads") for one in pair))
        for number, pair in enumerate(taken)
    ]
    last = ("all deleted", "", empty["rss"], "", empty["pss"], "", empty["threads"])
    title = f"What both processes take, MiB, {kind.name}; beside: none is adjusted"
    return Table(title, header, (*rows, last))


def _where(most, traced):
    return Table(f"Where {traced} adjustments have left most, MiB", ("file", "MiB"), tuple(most))
