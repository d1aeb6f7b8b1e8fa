"""A pass over all instances of a host at rest: what it costs an instance, and what it asks."""

import statistics

from tests.bench import servers, staying
from tests.bench.figures import OURS, WORST, Figure, Goal, Plot, Result, Series, Table
from tests.bench.printed import progress

HOST = "tests.bench.passing_host"
_COUNTS = (10, 100, 1000)
_QUICK = (10, 50)
_PARTS = ("database", "libvirt", "Placement")


def run(options):
    """A figure of each size of host, those of what is asked, and a plot of both kinds of host."""
    counts = _QUICK if options.quick else _COUNTS
    passes = options.count(20, 3)
    took, asked = {}, {}
    with servers.running(with_rabbitmq=False) as both:
        for kind in ("elastic", "stock"):
            with staying.process() as host:
                host.call(f"{HOST}:start", both.placement)
                for count in counts:
                    progress(f"  {count} {kind} servers, {passes} passes")
                    _grow(host, count, kind)
                    took[kind, count] = host.call(f"{HOST}:take", passes)
                    asked[kind, count] = host.call(f"{HOST}:counted")
    return Result(
        (*_times(took, counts), *_asked(asked["elastic", counts[-1]], counts[-1])),
        (_asked_table(asked), _parts_table(took)),
        (_plot(took, counts),),
    )


def _grow(host, count, kind):
    host.call(f"{HOST}:grow_to", count, kind == "stock")


def _times(took, counts):
    for kind, goal in (("whole", Goal(5.0, OURS)), ("cpu", None)):
        said = "the whole pass" if kind == "whole" else "CPU time of a pass"
        for count in counts:
            yield Figure(
                f"pass over {count}, per instance" + ("" if goal else ", CPU"),
                f"{said} over {count} elastic instances at rest, divided by their number",
                None,
                "ms",
                tuple((None, one[kind] * 1000 / count) for one in took["elastic", count]),
                goal,
            )
    few, many = counts[0], counts[-1]
    yield Figure(
        f"per instance of {many}, to {few}",
        f"what an instance of {many} costs, beside one of {few}: at most 1 where a pass is linear",
        f"an instance of {few}",
        "ms",
        tuple(
            (small["whole"] * 1000 / few, large["whole"] * 1000 / many)
            for small, large in zip(took["elastic", few], took["elastic", many], strict=True)
        ),
        Goal(1.0),
    )


def _asked(one, count):
    kinds = {
        "calls of libvirt for all domains": (one.get("libvirt, all domains", 0), 1),
        "calls of libvirt for one domain": (one.get("libvirt, one domain", 0), 0),
        "requests to Placement": (_sum(one, "Placement"), 1),
        "writes": (_sum(one, "database") - one.get("database, reads", 0), 0),
    }
    for name, (number, limit) in kinds.items():
        what = f"{name} in a pass over {count} elastic instances at rest"
        yield Figure(name, what, None, "", ((None, number),), Goal(limit, WORST))


def _asked_table(asked):
    kinds = sorted({kind for one in asked.values() for kind in one})
    rows = (
        (count, kind, *(one.get(name, 0) for name in kinds)) for (kind, count), one in asked.items()
    )
    return Table("What a pass asks", ("servers", "kind", *kinds), tuple(rows))


def _parts_table(took):
    rows = []
    for (kind, count), passes in took.items():
        whole = statistics.median(one["whole"] for one in passes) * 1000
        parts = [statistics.median(one[part] for one in passes) * 1000 for part in _PARTS]
        rows.append((count, kind, whole, *parts, whole - sum(parts)))
    header = ("servers", "kind", "whole, ms", *(f"{part}, ms" for part in _PARTS), "ours, ms")
    return Table("Where the time of a pass goes, medians", header, tuple(rows))


def _plot(took, counts):
    series = [
        Series(
            f"{kind} instances",
            counts,
            tuple(statistics.median(one["whole"] for one in took[kind, n]) for n in counts),
        )
        for kind in ("elastic", "stock")
    ]
    bound = Series("5 ms an instance", counts, tuple(0.005 * n for n in counts))
    return Plot(
        "engine-pass",
        "A pass over a host at rest",
        "instances",
        "seconds",
        (*series, bound),
        logarithmic=True,
    )


def _sum(one, prefix):
    return sum(number for name, number in one.items() if name.startswith(prefix))
