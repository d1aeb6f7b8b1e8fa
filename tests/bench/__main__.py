"""``python -m tests.bench``: measure, keep what was measured, and write the report of it."""

import argparse
import contextlib
import datetime
import sys
import time
import traceback

from tests.bench import machine, measures, printed, raw
from tests.bench.figures import MISSED, verdict
from tests.bench.options import Options

REPORT = "report"


def main():
    """Measure what was asked for; returns the exit code."""
    names, options = _arguments()
    failed, missed = [], []
    with contextlib.ExitStack() as stack:
        for name in names:
            if name == REPORT:
                _report(options)
                continue
            # One that fails shall not cost what the others take hours for.
            try:
                missed += _measure(measures.by_name()[name], options, stack)
            except Exception:  # noqa: BLE001
                traceback.print_exc()
                failed.append(name)
    for text, those in (("missed", missed), ("failed", failed)):
        if those:
            print(f"{text}: {', '.join(those)}")
    return 1 if failed or missed else 0


def _arguments():
    known = measures.by_name()
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Ours and theirs in turns, on this machine; raw data goes to build/bench. "
        "`report` keeps it in docs/bench-data, and writes docs/benchmarks.md of all that is there.",
        epilog="measures, all of them and the report where none is named:\n"
        + "".join(f"  {one.name:<14} {one.title}  {one.goal}\n" for one in known.values())
        + "\nExit code 1: a goal is missed, and not by chance, or a measure has failed.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help="see below; or `report`")
    parser.add_argument("--pairs", type=_at_least_one, help="of each figure (each has its own)")
    parser.add_argument("--quick", action="store_true", help="few pairs; they are not kept")
    parser.add_argument("--rounds", type=_at_least_one, default=3, help="fresh clouds (3)")
    parser.add_argument("--hosts", type=_at_least_one, default=50, help="to schedule among (50)")
    parser.add_argument("--seed", type=_at_least_one, default=1, help="of all orders (1)")
    parser.add_argument(
        "--same", action="store_true", help="stock against stock: how far off is no difference?"
    )
    given = vars(parser.parse_args())
    names = given.pop("measures") or [*known, REPORT]
    if unknown := set(names) - {*known, REPORT}:
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    return names, Options(**given)


def _at_least_one(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _measure(measure, options, stack):
    """Measure, print and save; returns the names of the figures that miss their goal."""
    print(f"\n== {measure.name}: {measure.title}", flush=True)
    hypervisor = None
    if measure.where == measures.LAB:
        from tests.bench import lab

        hypervisor = lab.up(stack)
    load, began = machine.load(), time.monotonic()
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    result = measure.run(options)
    printed.show(result)
    if not options.same:
        raw.save(
            raw.Raw(
                measure=measure.name,
                command=_command(measure, options),
                date=date,
                commit=machine.commit(),
                seconds=time.monotonic() - began,
                quick=options.quick,
                machine=machine.describe(hypervisor),
                load=load,
                result=result,
            )
        )
    return [f"{measure.name}: {one.name}" for one in result.figures if verdict(one) == MISSED]


def _command(measure, options):
    """What makes the same raw data again."""
    usual = Options()
    changed = [
        f"--{name} {getattr(options, name)}"
        for name in ("pairs", "rounds", "hosts", "seed")
        if getattr(options, name) != getattr(usual, name)
    ]
    words = [measure.name, *(["--quick"] if options.quick else []), *changed]
    return f'make bench BENCH="{" ".join(words)}"'


def _report(options):
    # Imported by nobody else, since it asks for matplotlib.
    from tests.bench import report

    if options.quick:
        print(report.write(raw.MEASURED, raw.MEASURED / report.PAGE.name))
        return
    print(f"kept: {', '.join(raw.keep()) or 'nothing new'}")
    print(report.write())


if __name__ == "__main__":
    sys.exit(main())
