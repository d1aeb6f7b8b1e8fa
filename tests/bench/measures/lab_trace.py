"""Where the time of an adjustment goes: one table of one trace, of a growth and of a shrink.

The services are restarted with ``tests/bench/tracer.py``, which writes down when each part of an
adjustment began and ended, and afterwards without it. Of several adjustments the one is shown whose
time until the guest shows it is the median.
"""

import contextlib
import json
import shutil
import statistics
import time

from lab import layout, lifecycle, processes
from lab.cloud import Size
from tests.bench import asking, guests, lab, stages, tracer
from tests.bench.figures import Figure, Result, Table
from tests.bench.printed import progress

_SMALL, _LARGE = Size(1, 512), Size(2, 1536)
_RAM = 4096
_HEADER = ("stage", "calls", "until 202, ms", "until seen, ms", "after that, ms")
# Seconds: what writes the last span writes it when the end of the run was logged already.
_LAST_SPAN = 1.0


def run(options):
    """Two tables, and the times that they explain as figures."""
    times = options.count(7, 1)
    traces = {"growth": [], "shrink": []}
    cloud = lab.cloud()
    with _traced(cloud.layout) as spans, lab.server(cloud, _RAM, _SMALL) as server:
        nova, log = asking.Nova(cloud), asking.Log(cloud.layout)
        console = guests.console_of(cloud, server)
        for number in range(times):
            progress(f"  {number + 1} of {times}")
            for way, size in (("growth", _LARGE), ("shrink", _SMALL)):
                traces[way].append(_trace(nova, log, console, server, size, spans))
    return Result(
        tuple(_figure(way, found) for way, found in traces.items()),
        tuple(_table(way, found) for way, found in traces.items()),
    )


@contextlib.contextmanager
def _traced(its_layout):
    """The lab's services with the tracer; yields the file that it writes."""
    spans = its_layout.site / "spans.jsonl"
    module = its_layout.site / "sitecustomize.py"
    shutil.copyfile(tracer.__file__, module)
    spans.write_text("")
    try:
        _restart(its_layout)
        yield spans
    finally:
        module.unlink()
        spans.unlink()
        _restart(its_layout)


def _restart(its_layout):
    names = [name for name in processes.running(its_layout) if name.startswith("nova-")]
    processes.stop(its_layout, names)
    lifecycle.up(layout.load())


def _trace(nova, log, console, server, size, file):
    sent = time.time()

    def ask():
        seconds, request_id = nova.adjust(server, size)
        return sent + seconds, request_id

    seconds, (answered, request_id) = guests.seconds_until_seen(console, size, ask)
    log.wait_for_end(request_id)
    time.sleep(_LAST_SPAN)
    found = [json.loads(line) for line in file.read_text().splitlines()]
    spans = tuple(
        stages.Span(one["name"], one["began"], one["ended"], one["thread"])
        for one in found
        if one["request"] == request_id
    )
    ended = max(span.ended for span in spans)
    return stages.Trace(sent, answered, sent + seconds, max(ended, sent + seconds), spans)


def _figure(way, traces):
    return Figure(
        f"{way}, traced",
        "POST os-xloud-adjust until the guest shows it, 1 vCPU and 1 GiB, with the tracer",
        None,
        "s",
        tuple((None, one.seen - one.sent) for one in traces),
    )


def _table(way, traces):
    middle = statistics.median_low([one.seen - one.sent for one in traces])
    trace = next(one for one in traces if one.seen - one.sent == middle)
    rows = stages.rows(trace)
    sums = [round(sum(row[column] for row in rows), 1) for column in (2, 3, 4)]
    title = f"A {way} of 1 vCPU and 1 GiB, {middle:.2f} s until it was seen"
    return Table(title, _HEADER, (*rows, ("**all**", "", *sums)))
