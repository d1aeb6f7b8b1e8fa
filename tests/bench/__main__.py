"""``python -m tests.bench``: the price of nova-xloud for those who do not use it."""

import argparse
import collections
import platform
import sys
import time

from tests.bench import report, services, worker

MEASURES = ("boot", "scheduling", "calls", "moves", "services")
MOVES = ("cold_migrate", "resize", "revert_resize", "live_migrate", "shelve", "hard_reboot")
_FEW_HOSTS = 2
_WARM_UP = 3
_CALLED = 8


def main():
    """Measure what was asked for and print a table of each; 1 if the goal is missed."""
    options = _options()
    started = time.monotonic()
    print(f"{platform.machine()}, Python {platform.python_version()}, {vars(options)}\n")
    measure = {
        "boot": _boot,
        "scheduling": _scheduling,
        "calls": _calls,
        "moves": _moves,
        "services": _services,
    }
    held = [measure[name](options) for name in options.measures or MEASURES]
    print(f"\n{time.monotonic() - started:.0f} s.", "" if all(held) else report.MISSED)
    return 0 if all(held) else 1


def _options():
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Stock Nova and Nova with nova-xloud, in turns, with a flavor without extra "
        "specs of ours. The cloud is in-process: Nova's services, Placement, a fake libvirt.",
        epilog=f"Exit code 1: boot or scheduling is above {report.GOAL}, and not by chance.",
    )
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--pairs", type=_at_least_one, default=90, help="of each time (90)")
    parser.add_argument(
        "--rounds", type=_at_least_one, default=3, help="fresh clouds for the pairs (3)"
    )
    parser.add_argument("--hosts", type=_at_least_one, default=50, help="to schedule among (50)")
    parser.add_argument("--starts", type=_at_least_one, default=15, help="pairs of services (15)")
    parser.add_argument("--seed", type=_at_least_one, default=1, help="of all orders (1)")
    parser.add_argument(
        "--same", action="store_true", help="stock against stock: how far off is no difference?"
    )
    options = parser.parse_args()
    if unknown := set(options.measures) - set(MEASURES):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    return options


def _at_least_one(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _boot(options):
    counts, timed = _in_rounds(options, _FEW_HOSTS, ("boot",))
    report.counts("boot", *counts["boot"])
    return report.times("boot", "ms", timed["boot"], ("cpu", "wall"), goal=True)


def _scheduling(options):
    counts, timed = _in_rounds(options, options.hosts, ("schedule", "request"))
    report.counts("scheduling", *counts["schedule"])
    report.times("200 requests built", "ms", timed["request"], ("cpu",))
    return report.times("scheduling", "ms", timed["schedule"], ("cpu", "wall"), goal=True)


def _in_rounds(options, hosts, operations):
    """Counts of each operation, and all its pairs; each round has clouds of its own."""
    timed = collections.defaultdict(list)
    for number in range(options.rounds):
        seed = options.seed + number
        pairs = options.pairs // options.rounds + (number < options.pairs % options.rounds)
        _progress(f"round {number + 1} of {options.rounds}: two clouds of {hosts} hosts start")
        with worker.both(hosts, seed, same=options.same) as workers:
            for operation in operations:
                worker.in_turns(workers, operation, _WARM_UP, seed)
                _progress(f"  {operation}: {pairs} pairs")
                timed[operation] += worker.in_turns(workers, operation, pairs, seed)
                _progress(f"  {report.so_far(operation, timed[operation])}")
            counts = {o: [w.ask("count", o) for w in workers] for o in operations}
    return counts, timed


def _calls(options):
    """How many Python functions a boot and a scheduling call, and how many of them are ours."""
    with worker.both(_FEW_HOSTS, options.seed, same=options.same, watched=True) as workers:
        for operation in ("boot", "schedule"):
            _progress(f"  {operation}: {_CALLED} pairs, watched")
            worker.in_turns(workers, operation, _WARM_UP, options.seed, "calls")
            pairs = worker.in_turns(workers, operation, _CALLED, options.seed, "calls")
            report.times(f"{operation} calls", "", pairs, ("all",))
            stock, extended = (sorted(p[i]["ours"] for p in pairs) for i in (0, 1))
            print(f"{'':30}   of ours: {stock[0]} -> {extended[0]} to {extended[-1]}")
    return True


def _moves(options):
    """Numbers alone: Nova's own functional helpers poll, and their time says nothing."""
    with worker.both(_FEW_HOSTS, options.seed, same=options.same) as workers:
        for operation in MOVES:
            _progress(f"  {operation}")
            for each in workers:
                each.ask("count", operation)
            report.counts(operation, *(each.ask("count", operation) for each in workers))
    return True


def _services(options):
    for service in services.SERVICES:
        _progress(f"  {service}: {options.starts} pairs of fresh processes")
        pairs = services.in_turns(service, options.starts, options.seed, same=options.same)
        report.times(f"{service} imports", "ms", pairs, ("cpu",))
        report.times(f"{service} memory", "MiB", pairs, ("pss", "rss"))
    return True


def _progress(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
