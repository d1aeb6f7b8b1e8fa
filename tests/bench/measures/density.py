"""How many servers one host carries under a load that rises and falls, by their flavor.

The host has 32 units, of a vCPU and 512 MiB each, and does not overcommit. A server needs one to
four units, minute by minute (``tests/bench/load.py``). Of a flavor of one to four it is adjusted
each minute to what it needs: those that shrink first, then those that grow. A growth for which
there is no room is refused with 409, and asked for again in the next minute.
"""

from tests.bench import apart, load
from tests.bench.figures import Plot, Result, Series, Table
from tests.bench.printed import progress

_ELASTIC = (8, 12, 16, 20, 24)
_SHOWN = 16
_JOBS = "tests.bench.density_jobs"
_HEADER = (
    "flavor",
    "servers",
    "needed, unit-minutes",
    "not there",
    "claimed and not needed",
    "growths asked for",
    "refused",
)


def run(options):
    """A table of all, and two plots: one hour, and what is not there by the number of servers."""
    minutes = 6 if options.quick else load.MINUTES
    numbers = (4,) if options.quick else _ELASTIC
    stock = {}
    for units in (load.MOST, load.LEAST):
        progress(f"  stock flavor of {units}: until the host is full")
        servers = apart.run(f"{_JOBS}:fill_with_stock", units)
        needs = load.demand(servers, minutes, options.seed)
        stock[units] = load.hour([(units,) * servers] * minutes, needs)
    elastic = {}
    for servers in numbers:
        progress(f"  {servers} servers of 1 to 4, {minutes} minutes")
        needs = load.demand(servers, minutes, options.seed)
        elastic[servers] = load.hour(*apart.run(f"{_JOBS}:adjust_to", needs))
    shown = elastic.get(_SHOWN) or elastic[numbers[-1]]
    return Result(
        tables=(Table("One host of 32 units, one hour", _HEADER, _rows(stock, elastic)),),
        plots=(_hour_plot(shown, stock), _servers_plot(stock, elastic)),
    )


def _rows(stock, elastic):
    hours = [(f"stock, {units}", one) for units, one in stock.items()]
    hours += [("1 to 4", one) for one in elastic.values()]
    return tuple(
        (
            name,
            one.servers,
            sum(one.needed),
            f"{one.unmet:.1%}",
            f"{one.idle:.1%}",
            one.asked or "-",
            one.refused if one.asked else "-",
        )
        for name, one in hours
    )


def _hour_plot(shown, stock):
    minutes = tuple(range(len(shown.needed)))
    full = stock[load.MOST]
    return Plot(
        "density-hour",
        f"One host of 32 units: {shown.servers} servers of 1 to 4, {full.servers} of stock 4",
        "minute",
        "units",
        (
            Series(f"needed by {shown.servers}", minutes, shown.needed),
            Series(f"claimed by {shown.servers} of 1 to 4", minutes, shown.claimed),
            Series(f"needed by {full.servers}", minutes, full.needed),
            Series(f"claimed by {full.servers} of stock 4", minutes, full.claimed),
        ),
        steps=True,
    )


def _servers_plot(stock, elastic):
    points = [(one.servers, 100 * one.unmet) for one in elastic.values()]
    lines = [Series("1 to 4", *(tuple(axis) for axis in zip(*points, strict=True)))]
    lines += [
        Series(f"stock {units}, the host is full", (one.servers,), (100 * one.unmet,))
        for units, one in stock.items()
    ]
    return Plot(
        "density-servers",
        "What was needed and not there, by how many servers the host has",
        "servers on one host of 32 units",
        "not there, %",
        tuple(lines),
    )
