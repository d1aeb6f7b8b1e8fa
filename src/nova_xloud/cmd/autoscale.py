# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-autoscale``: what automatic growth decides, has decided, or would have decided."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from nova_xloud.cmd import autoscale_backtest, autoscale_replay, autoscale_report

DESCRIPTION = """\
Look at what automatic growth decides, without a cloud: this command reads files
only, and changes nothing. It needs neither nova.conf nor a database, so the
files can be copied to any machine that has nova-xloud.
"""

EPILOG = """\
Exit codes: 0 all is well; 1 the command has found what it looks for (see its
help); 2 the arguments or a file are wrong; 130 interrupted (Ctrl-C).

  nova-xloud-autoscale report JOURNAL    what each server of a compute host
                                         should have, and why
  nova-xloud-autoscale replay JOURNAL    all decisions of a compute host again
  nova-xloud-autoscale backtest TRACES   what policies would have done to
                                         recorded loads
"""

PROGRAM = "nova-xloud-autoscale"
# The exit code that shells give a program that SIGINT has ended.
INTERRUPTED = 130

# Each has add(subparsers, parent), and sets `run`: from the arguments to an exit code.
COMMANDS = (autoscale_report, autoscale_replay, autoscale_backtest)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command of ``nova-xloud-autoscale``.

    :param argv: the arguments; default: those of the process
    :returns: the exit code of the command, which the command's help explains; 130 after Ctrl-C
    :raises SystemExit: the arguments are wrong (2), or ask for help (0)
    """
    arguments = parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted; the result is not complete", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has ended, `head` for example. Python would complain at exit too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line.

    The function that runs the chosen command is in the attribute ``run`` of what it has parsed.
    """
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    nothing = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for command in COMMANDS:
        command.add(commands, nothing)
    return top


if __name__ == "__main__":
    sys.exit(main())
