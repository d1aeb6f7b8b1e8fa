"""Automatic growth that nobody uses: a pass over a host beside one of an engine made without it."""

from tests.bench import paired, servers, staying
from tests.bench.figures import WORST, Figure, Goal, Result
from tests.bench.printed import progress

HOST = "tests.bench.scaling_host"
_SERVERS, _QUICK = 100, 10
_WARM = 5


def run(options):
    """A ratio of passes over elastic servers, one over stock ones, and the threads."""
    count = _QUICK if options.quick else _SERVERS
    pairs = options.count(60, 3)
    figures = []
    with servers.running(with_rabbitmq=False) as both:
        for kind in ("elastic", "stock"):
            progress(f"  {count} {kind} servers in each of two processes, {pairs} pairs")
            with staying.process() as theirs, staying.process() as ours:
                theirs.call(f"{HOST}:start", both.placement, "off", False)
                ours.call(f"{HOST}:start", both.placement, "off")
                for one in (theirs, ours):
                    one.call(f"{HOST}:grow_to", count, kind == "stock")
                figures.append(_passes(theirs, ours, kind, count, pairs, options.seed))
                figures.append(_threads(theirs, ours, kind))
    return Result(tuple(figures))


def _threads(theirs, ours, kind):
    threads = tuple(one.call(f"{HOST}:threads") for one in (theirs, ours))
    return Figure(
        f"threads, {kind} servers, off",
        "threads of the process in which automatic growth is off",
        "of an engine made without it",
        "",
        (threads,),
        Goal(threads[0], WORST),
    )


def _passes(theirs, ours, kind, count, pairs, seed):
    for one in (theirs, ours):
        one.call(f"{HOST}:passes", _WARM)
    measured = []
    for ours_first in paired.order(pairs, seed):
        took = {}
        for one in (ours, theirs) if ours_first else (theirs, ours):
            (took[one],) = one.call(f"{HOST}:passes", 1)
        measured.append((took[theirs], took[ours]))
    return Figure(
        f"pass over {count} {kind} servers, off",
        f"CPU of a pass over {count} {kind} servers, automatic growth off",
        "an engine made without automatic growth",
        "ms",
        tuple(measured),
        Goal(1.02),
    )
