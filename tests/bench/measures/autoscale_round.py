"""What a round of automatic growth costs, and what is remembered of a guest."""

import statistics

from tests.bench import servers, staying
from tests.bench.figures import OURS, Figure, Goal, Plot, Result, Series
from tests.bench.printed import progress

HOST = "tests.bench.scaling_host"
_COUNTS, _QUICK = (100, 300, 1000), (10, 30)
# Percent of a core, of an interval of five seconds, for each hundred guests.
_LIMIT = 1.0
_INTERVAL_MS = 5000.0


def run(options):
    """A figure of each number of guests, how linear that is, and the memory of a guest."""
    counts = _QUICK if options.quick else _COUNTS
    rounds = options.count(30, 3)
    took = {}
    with servers.running(with_rabbitmq=False) as both, staying.process() as host:
        host.call(f"{HOST}:start", both.placement)
        for count in counts:
            progress(f"  {count} guests, {rounds} rounds")
            host.call(f"{HOST}:grow_to", count)
            took[count] = host.call(f"{HOST}:rounds", rounds)
        remembered = host.call(f"{HOST}:remembered", 20 if options.quick else 500)
    return Result((*_figures(took), _memory(remembered)), (), (_plot(took),))


def _percent(milliseconds, count):
    """Of a core, for a hundred guests."""
    return milliseconds / _INTERVAL_MS * 100 * 100 / count


def _figures(took):
    for count, rounds in took.items():
        yield Figure(
            f"round over {count}, of a core per 100",
            f"CPU of a round over {count} guests, the journal included and libvirt's own part not, "
            "as a share of the five seconds between two rounds, for each 100 guests",
            None,
            "%",
            tuple((None, _percent(one, count)) for one in rounds),
            Goal(_LIMIT, OURS),
        )
    few, many = min(took), max(took)
    yield Figure(
        f"round, a guest of {many}, to {few}",
        f"CPU for a guest in a round over {many}: about 1 where a round is linear",
        f"for a guest in a round over {few}",
        "ms",
        tuple((one / few, other / many) for one, other in zip(took[few], took[many], strict=True)),
        Goal(1.1),
    )


def _memory(kib):
    return Figure(
        "memory of a guest's history",
        "what is remembered of a guest whose window is full, with the most that can be kept: by "
        "Python's account",
        None,
        "KiB",
        ((None, kib),),
        Goal(16.0, OURS),
    )


def _plot(took):
    counts = tuple(took)
    medians = tuple(statistics.median(took[count]) / 1000 for count in counts)
    bound = tuple(_LIMIT * count / 100 * _INTERVAL_MS / 100 / 1000 for count in counts)
    return Plot(
        "autoscale-round",
        "A round of automatic growth",
        "guests",
        "seconds of CPU",
        (Series("a round", counts, medians), Series("1 % of a core per 100", counts, bound)),
        logarithmic=True,
    )
