"""How many Python functions a boot and a scheduling call, and how many of them are ours."""

from tests.bench import rounds, worker
from tests.bench.figures import Figure, Result, Table
from tests.bench.printed import progress

_HOSTS = 2


def run(options):
    """The numbers of all calls as figures, and of those to functions of ours as a table."""
    figures, rows = [], []
    pairs = options.count(8, 2)
    with worker.both(_HOSTS, options.seed, same=options.same, watched=True) as workers:
        for operation in ("boot", "schedule"):
            progress(f"  {operation}: {pairs} pairs, watched")
            worker.in_turns(workers, operation, rounds.WARM_UP, options.seed, "calls")
            counted = worker.in_turns(workers, operation, pairs, options.seed, "calls")
            figures.append(
                Figure(
                    f"{operation}, calls",
                    f"Python functions called in a {operation}, with nova-xloud",
                    "stock Nova",
                    "",
                    rounds.pairs_of(counted, "all"),
                )
            )
            stock, extended = (sorted(p[i]["ours"] for p in counted) for i in (0, 1))
            rows.append((operation, f"{stock[0]}", f"{extended[0]} to {extended[-1]}"))
    table = Table("Calls to functions of nova-xloud", ("", "stock", "extended"), tuple(rows))
    return Result(tuple(figures), (table,))
