"""A list of many servers with their sizes, beside Nova's own list of the same servers."""

from tests.bench import worker
from tests.bench.figures import Figure, Goal, Result, Table
from tests.bench.listed_cloud import LISTED
from tests.bench.paired import order
from tests.bench.printed import progress

# Each fake host has 16 GiB, and a server begins with 256 MiB.
_HOSTS = 3
_NOVAS, _OURS = "list_details", "list_sizes"
_PAIRS, _WARM_UP = 30, 3
_ASKED = ("sql", "rpc", "placement")
_AT_MOST = Goal(3.0)


def run(options):
    """CPU time, which has the goal, the time on the clock, and what each list asks of others."""
    one = worker.Worker(True, _HOSTS, False)
    try:
        one.answer()
        progress(f"  {LISTED} servers boot")
        for _ in range(_WARM_UP):
            _pair(one, ours_first=False)
        pairs = [_pair(one, ours_first=o) for o in order(options.count(_PAIRS, 4), options.seed)]
        counts = {name: one.ask("count", name) for name in (_NOVAS, _OURS)}
    finally:
        one.close()
    return Result(tuple(_figures(pairs)), (_table(counts),))


def _pair(one, *, ours_first):
    names = (_OURS, _NOVAS) if ours_first else (_NOVAS, _OURS)
    answers = {name: one.ask("time", name) for name in names}
    return answers[_NOVAS], answers[_OURS]


def _figures(pairs):
    for kind, goal in (("cpu", _AT_MOST), ("wall", None)):
        yield Figure(
            f"{LISTED} servers, {kind}",
            f"GET /os-xloud-servers with {LISTED} elastic servers in one page",
            "GET /servers/detail with the same servers",
            "ms",
            tuple((theirs[kind], ours[kind]) for theirs, ours in pairs),
            goal,
        )


def _table(counts):
    rows = ((kind, *(_sum(counts[name], kind) for name in (_NOVAS, _OURS))) for kind in _ASKED)
    return Table(
        f"A list of {LISTED} servers asks",
        ("", "/servers/detail", "/os-xloud-servers"),
        tuple(rows),
    )


def _sum(counted, prefix):
    return sum(number for name, number in counted.items() if name.startswith(f"{prefix} "))
