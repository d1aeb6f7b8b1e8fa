"""What moves ask of others: numbers alone.

Nova's own functional helpers poll, and their time says nothing.
"""

from tests.bench import rounds, worker
from tests.bench.figures import Result
from tests.bench.printed import progress

MOVES = ("cold_migrate", "resize", "revert_resize", "live_migrate", "shelve", "hard_reboot")
_HOSTS = 2


def run(options):
    """One table."""
    counted = {}
    with worker.both(_HOSTS, options.seed, same=options.same) as workers:
        for operation in MOVES:
            progress(f"  {operation}")
            for each in workers:
                each.ask("count", operation)
            counted[operation] = [each.ask("count", operation) for each in workers]
    return Result(tables=(rounds.sums_table("Asked of others, stock -> extended", counted),))
