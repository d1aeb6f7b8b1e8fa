"""Thousands of runs that wait for their guests at the same time: memory of each, and threads."""

from tests.bench import servers, staying
from tests.bench.figures import Figure, Goal, Result
from tests.bench.printed import progress

HOST = "tests.bench.waiting_host"
_RUNS, _QUICK = 5000, 200


def run(options):
    """KiB a run, threads, and how soon all of them wait."""
    count = _QUICK if options.quick else _RUNS
    with servers.running(with_rabbitmq=False) as both:
        progress(f"  {count} runs")
        before, after, took, _ = _measured(both, count, traced=False)
        progress(f"  {count} runs, traced")
        *_, allocated = _measured(both, count, traced=True)
    kib = {kind: (after[kind] - before[kind]) * 1024 / count for kind in ("rss", "pss")}
    kib["tracemalloc"] = allocated * 1024 / count
    figures = [
        Figure(
            f"memory of a run that waits, {kind}",
            f"what {count} runs that wait for their guests add to the process, divided by their "
            "number; each has an instance of Nova's of its own, as a request brings it",
            None,
            "KiB",
            ((None, number),),
        )
        for kind, number in kib.items()
    ]
    figures.append(
        Figure(
            "threads",
            f"threads of the process while {count} runs wait",
            "the same process before them, and the threads of the engine",
            "",
            ((before["threads"] + _ENGINE, after["threads"]),),
            Goal(1.0),
        )
    )
    figures.append(
        Figure(
            "a run submitted and waiting",
            f"until all of {count} runs that were submitted at once wait, divided by their number",
            None,
            "ms",
            ((None, took * 1000 / count),),
        )
    )
    return Result(tuple(figures))


# One for claims that are owed, four for steps, four for calls that wait in libvirt, one that wakes.
_ENGINE = 10


def _measured(both, count, *, traced):
    with staying.process() as host:
        before = host.call(f"{HOST}:start", both.placement, count)
        after, took, allocated = host.call(f"{HOST}:submit", traced)
    return before, after, took, allocated
