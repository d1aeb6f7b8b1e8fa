# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.nova_own [SUBSET ...]``: Nova's own tests judge nova-xloud."""

from __future__ import annotations

import argparse
import importlib.metadata
import pathlib
import sys
import tomllib

from nova_xloud import releases
from tests.nova_own import exceptions, subsets
from tests.nova_own.judge import AGAIN, Task, judge
from tests.nova_own.pytest_run import CLONE, Pytest
from tests.nova_own.result import Result, dump, load, together
from tests.nova_own.summary import summary
from tests.nova_own.verdicts import Broken

HERE = pathlib.Path(__file__).parent

DESCRIPTION = """\
Run Nova's own tests, from the installed wheel, as they are and with nova-xloud installed in Nova,
and print what differs. Nothing should.

SUBSET is one of

  ci          chosen for what nova-xloud extends; part of `make test`
  seams       more of the same (default)
  grown       what --grown is meant for: hot-plug, NUMA, pinning, live migration
  unit, functional, all
  a module or a package: nova.tests.unit.scheduler, functional.test_servers

A test that differs is run again three times each way, by itself; it counts as a difference if it
differs each time, and is listed as flaky otherwise. The few that must differ are listed with their
reasons in tests/nova_own/exceptions.toml; one that differs no longer has to be taken out of there.
"""

EPILOG = """\
Exit codes: 0 nothing differs but what is listed; 1 something differs, an exception is stale, or a
module cannot be imported; 2 wrong usage, or a run broke off or ran no test.

Verdicts, logs and summary.md are written below .nova-tests/, by release and subset. The whole takes
hours; in several sessions, the summary then being of all parts so far:

  python -m tests.nova_own all --part 1/8
  python -m tests.nova_own all --part 2/8
"""


def main(argv: list[str] | None = None) -> int:
    """Run, print, and say it in the exit code."""
    arguments = _parser().parse_args(argv)
    release = importlib.metadata.version("nova")
    try:
        return _judge(arguments, release)
    except (Broken, LookupError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _judge(arguments: argparse.Namespace, release: str) -> int:
    root = subsets.nova_tests()
    named = tomllib.loads((HERE / "subsets.toml").read_text())
    listed = _listed(release, grown=arguments.grown)
    number, of = arguments.part
    subset = subsets.label(arguments.subset) + ("-grown" if arguments.grown else "")
    folder = arguments.output / release / subset
    pytest = Pytest(folder, arguments.workers, arguments.grown)
    done = []
    for suite, files in subsets.modules(arguments.subset, named, root).items():
        mine = subsets.part(files, number, of)
        if mine:
            part = f"{number}/{of}"
            task = Task(suite, mine, root, part, arguments.stock_for, arguments.again)
            result = judge(task, pytest, listed)
            (folder / f"{task.name}.json").write_text(dump(result))
            done.append(result)
    if not done:
        raise LookupError(f"part {number}/{of} has no modules")
    text = summary(release, subset, _stored(folder, of), listed.reasons)
    (folder / "summary.md").write_text(text)
    sys.stdout.write(text)
    return 0 if all(result.clean for result in done) else 1


def _listed(release: str, *, grown: bool) -> exceptions.Exceptions:
    """The tests that must differ; with grown instances, others than without."""
    if grown:
        return exceptions.parse((HERE / "grown" / "differs.toml").read_text(), release, sys.maxsize)
    return exceptions.parse((HERE / "exceptions.toml").read_text(), release)


def _stored(folder: pathlib.Path, of: int) -> list[Result]:
    """What is known of all parts, of earlier sessions too."""
    found = together(load(file.read_text()) for file in sorted(folder.glob(f"*-*of{of}.json")))
    return sorted(found, key=lambda result: subsets.SUITES.index(result.suite))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.nova_own",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("subset", metavar="SUBSET", nargs="*", default=["seams"])
    parser.add_argument(
        "--part",
        metavar="K/N",
        type=_part,
        default=(1, 1),
        help="only this part of the modules of each suite, of N",
    )
    parser.add_argument(
        "--grown",
        action="store_true",
        help="with nova-xloud, flavors get minimums, and each server is grown to its flavor's size "
        "before a test looks at it. Which tests must differ then is in grown/differs.toml",
    )
    parser.add_argument(
        "--stock-for",
        choices=("all", "failures"),
        default="all",
        help="failures: stock Nova runs only what did not pass with nova-xloud. Half the time, but "
        "a test that fails in stock Nova alone is not seen (default: all)",
    )
    parser.add_argument(
        "--again",
        metavar="N",
        type=int,
        choices=range(1, 10),
        default=AGAIN,
        help=f"how often a test that differs is run again, each way (default: {AGAIN})",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        # Before 34 Nova is on eventlet, which xdist's workers do not live with.
        default=2 if releases.major() >= 34 else 0,
        help="processes at once; 0: this one's child only (default: 2, and 0 before Nova 34)",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=pathlib.Path,
        default=CLONE / ".nova-tests",
        help="where verdicts, logs and summary.md go (default: .nova-tests)",
    )
    return parser


def _part(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    if not (number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is not K/N, with K from 1 to N")
    return int(number), int(of)


if __name__ == "__main__":
    sys.exit(main())
