# SPDX-License-Identifier: Apache-2.0
"""The page of automatic growth at scale, computed from what is kept of measures and back-tests.

``python -m tests.scale_page`` writes ``docs/admin/autoscale-at-scale.md``. What is assumed of the
region is in :class:`Region` and ``PEAKS``; all other figures are read from ``docs/bench-data`` and
``docs/backtest-data``.
"""

import json
import pathlib
from dataclasses import dataclass

from nova_xloud.backtest.summary import CHANGES
from nova_xloud.compute.autoscaling import room
from tests.generated import ROOT

PAGE = ROOT / "docs/admin/autoscale-at-scale.md"
TEMPLATE = pathlib.Path(__file__).with_suffix(".md")
BENCH, BACKTESTS = ROOT / "docs/bench-data", ROOT / "docs/backtest-data"
# A day as it was on real machines: the trace with CPU, memory and virtual machines.
USUAL_DAY = ("bitbrains-rnd-2013-08", "ours-balanced")
DAY = 86400.0
# Stages of `lab-trace` in which a compute host waits for nova-conductor.
RECORD_STAGES = ("record read", "record written", "action begun", "action ended")


@dataclass(frozen=True)
class Region:
    """What is assumed.

    :ivar each: how often a server grows in the morning
    :ivar full_share: the share of the hosts on which somebody waits for room
    :ivar pass_seconds: the default of ``[xloud] reconcile_interval``
    """

    hosts: int = 10_000
    servers_per_host: int = 30
    growing_share: float = 0.5
    each: float = 2.0
    cells: int = 20
    full_share: float = 0.1
    pass_seconds: float = 60.0

    @property
    def servers(self):
        """All servers of the region."""
        return self.hosts * self.servers_per_host

    @property
    def growths(self):
        """All growths of a morning."""
        return self.servers * self.growing_share * self.each


PEAKS = (3600.0, 1800.0, 600.0)


@dataclass(frozen=True)
class Counts:
    """What one operation asks of others, from the measure ``autoscale-change``."""

    conductor: float = 0.0
    statements: float = 0.0
    writes: float = 0.0
    gets: float = 0.0
    puts: float = 0.0

    def times(self, factor):
        """The counts of ``factor`` such operations."""
        return Counts(*(factor * one for one in self._values()))

    def plus(self, other):
        """The counts of both."""
        return Counts(*(a + b for a, b in zip(self._values(), other._values(), strict=True)))

    def _values(self):
        return (self.conductor, self.statements, self.writes, self.gets, self.puts)


@dataclass(frozen=True)
class Measured:
    """What was measured.

    :ivar growth, shrink, asked, pass_: what one of each asks
    :ivar get_seconds: one request for a claim, in the lab
    :ivar put_seconds: a second divided by the PUTs that a Placement has answered in it
    :ivar record_seconds: reading and writing the record and the action of one growth, in the lab,
        the way over RabbitMQ and nova-conductor to the database and back included
    :ivar a_day: changes of a server a day, mean
    """

    growth: Counts
    shrink: Counts
    asked: Counts
    pass_: Counts
    get_seconds: float
    put_seconds: float
    record_seconds: float
    a_day: float

    @property
    def placement_seconds(self):
        """For how long one growth keeps a process of Placement busy, with asking what is left."""
        one = self.growth.plus(self.asked)
        return one.gets * self.get_seconds + one.puts * self.put_seconds


def _table(measure, start):
    result = json.loads((BENCH / f"{measure}.json").read_text())["result"]
    return next(one for one in result["tables"] if one["title"].startswith(start))


def _counts(table, column):
    index = table["header"].index(column)
    found = dict.fromkeys(("conductor", "statements", "writes", "gets", "puts"), 0.0)
    for name, *values in table["rows"]:
        kind, what, *_ = name.split()
        count = values[index - 1]
        if kind == "object" or name == "rpc check_growth":
            found["conductor"] += count
        elif kind == "sql":
            found["statements"] += count
            found["writes"] += count * (what in ("INSERT", "UPDATE", "DELETE"))
        elif kind == "placement":
            found["gets" if what == "GET" else "puts"] += count
    return Counts(**found)


def measured():
    """Read all of :class:`Measured` from the kept files."""
    asked = _table("autoscale-change", "What is asked")
    stages = {name: row for name, *row in _table("lab-trace", "A growth")["rows"]}

    def seconds(stage):
        return sum(stages[stage][1:]) / 1000

    burst = _table("engine-burst", "What is done")
    puts_a_second = burst["rows"][-1][burst["header"].index("PUTs a second")]
    trace, policy = USUAL_DAY
    (source,) = json.loads((BACKTESTS / f"{trace}.json").read_text())["sources"]
    played = {one["policy"]: one for one in source["policies"]}
    return Measured(
        growth=_counts(asked, "growth of 1 vCPU and 256 MiB"),
        shrink=_counts(asked, "shrink of 1 vCPU and 256 MiB"),
        asked=_counts(asked, "question what is left"),
        pass_=_counts(asked, "pass, one server"),
        get_seconds=seconds("claim read") / stages["claim read"][0],
        put_seconds=1 / puts_a_second,
        record_seconds=sum(seconds(one) for one in RECORD_STAGES),
        a_day=played[policy][CHANGES.name]["mean"],
    )


def at_rest(region, known):
    """What all hosts ask in a second while nothing changes: passes, and what is left."""
    passes = known.pass_.times(region.hosts / region.pass_seconds)
    return passes.plus(known.asked.times(region.hosts / room.KNOWN_FOR))


def waiting(region, known):
    """What the hosts ask in a second on which somebody waits for room."""
    return known.asked.times(region.hosts * region.full_share / room.LONGEST_PAUSE)


def usual_day(region, known):
    """What all changes of a day ask in a second, on average: as many growths as shrinks."""
    changes = region.servers * known.a_day / DAY
    half = known.growth.plus(known.asked).plus(known.shrink).times(0.5)
    return changes, half.times(changes)


def peak(region, known, seconds):
    """Growths in a second of a morning that is over after ``seconds``, and what they ask."""
    growths = region.growths / seconds
    return growths, known.growth.plus(known.asked).times(growths)


def _number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _row(name, changes, counts, known):
    placement = counts.gets * known.get_seconds + counts.puts * known.put_seconds
    cells = (
        name,
        _number(changes) if changes else "-",
        *(_number(getattr(counts, one)) for one in ("gets", "puts")),
        _number(placement),
        _number(counts.conductor),
        _number(2 * counts.conductor),
        _number(counts.statements),
        _number(counts.writes),
    )
    return f"| {' | '.join(cells)} |"


def load_table(region, known):
    """What a second of each time of the day asks of the whole region."""
    lines = [
        "| the whole region, a second | changes | Placement: GET | PUT | its busy processes "
        "| calls to nova-conductor | messages of RabbitMQ | SQL statements | of these writes |",
        "|---" * 9 + "|",
        _row("at rest: a pass a minute, and what is left", 0, at_rest(region, known), known),
        _row(
            f"somebody waits for room on {100 * region.full_share:.0f} % of the hosts",
            0,
            waiting(region, known),
            known,
        ),
        _row("a usual day, on average", *usual_day(region, known), known),
    ]
    lines += [
        _row(f"a morning within {seconds / 60:.0f} minutes", *peak(region, known, seconds), known)
        for seconds in PEAKS
    ]
    return "\n".join(lines)


def one_table(known):
    """What one operation asks of others."""
    lines = ["| one | calls to nova-conductor | SQL statements | of these writes | GET | PUT |"]
    lines.append("|---" * 6 + "|")
    for name, one in (
        ("growth", known.growth),
        ("question to Placement what is left", known.asked),
        ("shrink", known.shrink),
        ("pass over a host", known.pass_),
    ):
        values = (one.conductor, one.statements, one.writes, one.gets, one.puts)
        lines.append(f"| {name} | {' | '.join(f'{value:.0f}' for value in values)} |")
    return "\n".join(lines)


def text():
    """The text of the page."""
    region, known = Region(), measured()
    seconds = PEAKS[1]
    growths, asked = peak(region, known, seconds)
    cell = growths / region.cells
    words = {
        "hosts": f"{region.hosts:,}",
        "servers_per_host": str(region.servers_per_host),
        "servers": f"{region.servers:,}",
        "growing": f"{100 * region.growing_share:.0f}",
        "each": f"{region.each:g}",
        "minutes": f"{seconds / 60:.0f}",
        "growths": f"{growths:.0f}",
        "arithmetic": (
            f"{region.hosts:,} x {region.servers_per_host} x {region.growing_share:g} x "
            f"{region.each:g} / {seconds:.0f} s = {growths:.0f}"
        ),
        "one": one_table(known),
        "load": load_table(region, known),
        "get_ms": f"{1000 * known.get_seconds:.0f}",
        "put_ms": f"{1000 * known.put_seconds:.0f}",
        "placement_ms": f"{1000 * known.placement_seconds:.0f}",
        "placement_gets": f"{known.growth.gets + known.asked.gets:.0f}",
        "placement_busy": f"{growths * known.placement_seconds:.0f}",
        "record_ms": f"{1000 * known.record_seconds:.0f}",
        "record_busy": f"{growths * known.record_seconds:.0f}",
        "cells": str(region.cells),
        "cell_hosts": f"{region.hosts // region.cells}",
        "cell_busy": f"{cell * known.record_seconds:.0f}",
        "cell_messages": f"{2 * asked.conductor / region.cells:,.0f}",
        "cell_writes": f"{asked.writes / region.cells:.0f}",
        "cell_statements": f"{asked.statements / region.cells:,.0f}",
        "all_writes": f"{asked.writes:,.0f}",
        "all_statements": f"{asked.statements:,.0f}",
        "all_messages": f"{2 * asked.conductor:,.0f}",
        "a_day": f"{known.a_day:.1f}",
        "full": f"{100 * region.full_share:.0f}",
        "pause": f"{room.LONGEST_PAUSE:.0f}",
        "known_for": f"{room.KNOWN_FOR / 60:.0f}",
        "trace": USUAL_DAY[0],
        "policy": USUAL_DAY[1],
    }
    return TEMPLATE.read_text().format(**words)


if __name__ == "__main__":
    PAGE.write_text(text())
