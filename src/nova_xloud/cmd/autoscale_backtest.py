# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-autoscale backtest``: what policies would have done to recorded loads."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nova_xloud.backtest import output, plot, traces
from nova_xloud.backtest.alignment import Alignment
from nova_xloud.backtest.demand import Resolution
from nova_xloud.backtest.model import IDLE, TICK, Pace
from nova_xloud.backtest.policies import POLICIES, AnyPolicy, UnknownPolicy, named
from nova_xloud.backtest.policy import Host
from nova_xloud.backtest.run import Options, Result, run
from nova_xloud.backtest.series import PLACE, SeriesFiles
from nova_xloud.backtest.traces import TraceError
from nova_xloud.cmd import command
from nova_xloud.cmd.backtest_progress import Progress

WRONG = 2

DESCRIPTION = f"""\
Play recorded loads to policies of automatic growth, and score what each policy
would have done: what it saves, and what harm it does.

TRACES is a CSV file, with gzip or without, or a folder of them. The first six
columns are, in this order:

  {",".join(traces.COLUMNS[:3])},
  {",".join(traces.COLUMNS[3:])}

Rows of a machine stand together, in order of time. An empty cell is a value
that is not known. These further columns are used if they are there:
{", ".join(traces.FURTHER[:3])},
{", ".join(traces.FURTHER[3:])}.

A machine may have from 1 vCPU and the memory floor of a flavor up to what the
trace says it was given. Its reports are some seconds old, its balloon moves at
a measured speed, and what it is not given counts as harm: decision 0051 in the
documentation has the model.
"""

EPILOG = f"""\
Policies: {", ".join(POLICIES)}.
The name `ours` stands for the profiles of nova-xloud, and `all` for all names.

Exit codes: 0 done; 2 the arguments or a trace are wrong; 130 interrupted.

  nova-xloud-autoscale backtest traces/ --machines 5 --days 3
      a quick look: five machines of each trace, their first three days
  nova-xloud-autoscale backtest web.csv --policy ours,fixed-max -f json
  nova-xloud-autoscale backtest web.csv --policy ours-dense --series web-sizes.csv
  nova-xloud-autoscale backtest traces/ --policy all --plot density.svg
  nova-xloud-autoscale backtest web.csv --policy ours,neon --together peak
"""


def add(commands: Any, parent: argparse.ArgumentParser) -> None:
    """Add the command ``backtest`` to the program's parser.

    :param commands: what ``add_subparsers()`` of that parser has returned
    :param parent: a parser whose options the command has too
    """
    parser = command.add(
        commands,
        "backtest",
        parent,
        what="what policies of automatic growth would have done to recorded loads",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("traces", metavar="TRACES", type=Path, help="a trace, or a folder of them")
    parser.add_argument(
        "--policy",
        metavar="NAME[,NAME...]",
        type=_policies,
        default=named(["all"]),
        help="policies to play (default: all); the names are below",
    )
    parser.add_argument(
        "--seed",
        metavar="NUMBER",
        type=int,
        default=1,
        help="decides all that is drawn by chance: bursts inside of samples, and how old reports "
        "are (default: 1)",
    )
    _add_choice(parser)
    _add_model(parser)
    _add_output(parser)
    parser.set_defaults(run=run_backtest)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--machines",
        metavar="NUMBER",
        type=command.number(int, 1),
        help="play so many machines of each trace only, spread evenly over it (default: all)",
    )
    parser.add_argument(
        "--days",
        metavar="NUMBER",
        type=command.number(float, 0.01),
        help="play the first days of each machine only (default: all)",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--resolution",
        choices=[resolution.value for resolution in Resolution],
        default=Resolution.EXPANDED.value,
        help="what happens within a sample of 4 minutes or more: `sampled`: its mean, all the "
        "time; `expanded`: a burst, as high as the trace or other traces have measured (default: "
        "expanded)",
    )
    parser.add_argument(
        "--interval",
        metavar="SECONDS",
        type=command.number(float, 1),
        default=TICK,
        help=f"how often a policy is asked while something changes (default: {TICK:g})",
    )
    parser.add_argument(
        "--every",
        metavar="SECONDS",
        type=command.number(float, 1),
        default=IDLE,
        help=f"how often a policy is asked while nothing changes (default: {IDLE:g}); more is "
        "faster, and policies that shrink step by step are slower to do so",
    )
    parser.add_argument(
        "--together",
        choices=[alignment.value for alignment in Alignment],
        help="play all machines of a trace on one host that has not room for all of them, for 18 "
        "hours: around the peak of all (`clock`: for traces whose machines share a clock), or "
        "with all peaks at once (`peak`); `ours` arbitrates, other policies get what is left",
    )
    parser.add_argument(
        "--host-share",
        metavar="SHARE",
        type=command.number(float, 0.01),
        default=Options().host_share,
        help="what such a host has, as a share of what all its machines may have at most; "
        "proxmox and mom are always played on one (default: 0.6)",
    )
    parser.add_argument(
        "--weights",
        metavar="WEIGHT[,WEIGHT...]",
        type=_weights,
        default=Options().weights,
        help="weights of the machines of such a host, in turn (default: 100)",
    )
    parser.add_argument(
        "--host",
        metavar="VCPUS,MIB",
        type=_host,
        default=Options().host,
        help="the size of a host without what is reserved for the host itself, for the number of "
        "servers on it (default: 64,524288)",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-f",
        "--format",
        choices=("table", "json"),
        default="table",
        help="format of the result on stdout (default: table)",
    )
    parser.add_argument(
        "--plot",
        metavar="FILE",
        type=Path,
        help="draw density against harm into a file that ends in .svg, .png or .pdf; needs "
        "matplotlib: install nova-xloud[backtest]",
    )
    parser.add_argument(
        "--series",
        metavar="FILE",
        help=f"write what each machine had over time: the first six columns of the trace, and "
        f"vcpus,memory_mb; each row holds until the next one of its machine. {PLACE} in the name "
        f"stands for the policy's name, and is needed for more than one policy; a name that ends "
        f"in .gz is compressed",
    )


def run_backtest(arguments: argparse.Namespace) -> int:
    """Play the traces to the policies, print the scores, and return the exit code (``EPILOG``)."""
    policies: tuple[AnyPolicy, ...] = arguments.policy
    if arguments.series and len(policies) > 1 and PLACE not in arguments.series:
        return _wrong(
            f"--series {arguments.series}: {len(policies)} policies would write the same file; "
            f"put {PLACE} into its name, or choose one policy with --policy"
        )
    options = Options(
        seed=arguments.seed,
        resolution=Resolution(arguments.resolution),
        machines=arguments.machines,
        days=arguments.days,
        pace=Pace(arguments.interval, max(arguments.interval, arguments.every)),
        host=arguments.host,
        host_share=arguments.host_share,
        together=None if arguments.together is None else Alignment(arguments.together),
        weights=arguments.weights,
    )
    try:
        with ExitStack() as stack:
            add_series = None
            if arguments.series:
                add_series = stack.enter_context(SeriesFiles(arguments.series)).add
            progress = stack.enter_context(Progress(sys.stderr))
            files = traces.files(arguments.traces)
            result = run(files, policies, options, progress, add_series)
    except (TraceError, UnknownPolicy) as error:
        return _wrong(str(error))
    except OSError as error:
        return _wrong(f"--series {arguments.series}: cannot be written: {error}")
    show = output.as_json if arguments.format == "json" else output.as_table
    print(show(result, options), flush=True)
    return _plotted(result, arguments.plot)


def _plotted(result: Result, path: Path | None) -> int:
    """Draw the plot if ``path`` is not None, and return the exit code of the command.

    The code is 0, or 2 if the plot cannot be drawn, which is then printed on stderr. The scores
    were printed before.
    """
    if path is None:
        return 0
    try:
        plot.draw(result, path)
    except plot.NoPlot as error:
        return _wrong(f"--plot: {error}")
    except OSError as error:
        return _wrong(f"--plot {path}: cannot be written: {error}")
    return 0


def _wrong(message: str) -> int:
    print(f"nova-xloud-autoscale backtest: {message}", file=sys.stderr)
    return WRONG


def _policies(text: str) -> tuple[AnyPolicy, ...]:
    try:
        return named([name.strip() for name in text.split(",")])
    except UnknownPolicy as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _weights(text: str) -> tuple[int, ...]:
    return tuple(int(command.number(int, 1)(weight)) for weight in text.split(","))


def _host(text: str) -> Host:
    vcpus, _, memory = text.partition(",")
    parse = command.number(float, 1)
    try:
        return Host(parse(vcpus), parse(memory))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not VCPUS,MIB, two numbers of at least 1, for example 64,524288"
        ) from error
