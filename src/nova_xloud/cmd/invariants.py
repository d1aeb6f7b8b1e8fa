# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-status invariants``: does Placement hold what every guest has?"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nova_xloud.audit.report import NOT_CHECKED, Report, Unread, as_json, as_text
from nova_xloud.cmd import command
from nova_xloud.cmd.progress import Progress

if TYPE_CHECKING:
    from nova_xloud.audit.guests import Survey
    from nova_xloud.core.instance.guest import DomainStats

DESCRIPTION = """\
Read Placement, Nova's databases and the guests, of all cells, and list what breaks a rule:

  reserved_below_held     Placement has less for an instance than its guest holds
  reserved_below_defined  Placement has less for it than libvirt would start its guest with
  reserved_below_desired  Placement has less for it than is desired of it
  columns_differ          Nova's database says another size than Placement
  desired_out_of_bounds   what is desired of it is not a size that its flavor allows
  record_unreadable       what is desired of it cannot be read
  no_allocation           Placement has nothing for it on its host
  allocation_elsewhere    Placement has something for it where it is not
  host_oversold           a host's allocations are more than its capacity
  orphaned_allocation     an allocation is of no instance and no migration

All but the last two are asked of elastic instances only: those whose flavor names a minimum, and
those that were ever adjusted.

What a guest holds is told by the nova-compute of its host, or, as a witness of its own, by the
libvirt there. Of a host that is down nobody is asked; that is a note, and no broken rule. So is
memory beyond its claim in a guest that has just started.

Things go on while this reads. What seems broken is looked at again, and listed if it stays so.

Hosts are read side by side, each once. One that does not answer is not checked, and is asked no
second time; nova-compute has [DEFAULT] rpc_response_timeout to answer, and a libvirt as long.
How far it is is on stderr: on a terminal one line that is written anew, else a line for every 20
hosts.
"""

EPILOG = """\
Exit codes: 0 every rule holds; 1 one is broken; 2 none was seen broken, but not all was checked:
it is said what was not, and the way out; 130 it was interrupted (Ctrl-C), and nothing is printed.
With -f json all of it is one object on stdout.

  nova-xloud-status invariants
  nova-xloud-status invariants -f json --no-guests
  nova-xloud-status invariants --libvirt node1=qemu+ssh://root@node1/system
"""


def add(commands: Any, parent: argparse.ArgumentParser) -> None:
    """Add this command to a parser's ``add_subparsers()``."""
    parser = command.add(
        commands,
        "invariants",
        parent,
        what="list what breaks the rule that Placement holds what every guest has",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument(
        "--libvirt",
        metavar="HOST=URI",
        action="append",
        default=[],
        type=_host_and_uri,
        help="ask the libvirt at URI what the guests of HOST hold, read-only; may be repeated. "
        "HOST as `openstack compute service list` has it",
    )
    parser.add_argument(
        "--no-guests", action="store_true", help="ask nobody: compare the databases only"
    )
    parser.add_argument(
        "--settle",
        metavar="SECONDS",
        type=_seconds,
        default=5.0,
        help="how long to look again at what seems broken (default: 5); once at the least",
    )
    parser.add_argument(
        "--boot-grace",
        metavar="SECONDS",
        type=_seconds,
        help="how long after its start a guest may hold more memory (default: [xloud] boot_grace)",
    )
    parser.add_argument(
        "--parallel",
        metavar="HOSTS",
        type=_at_least_one,
        default=8,
        help="how many hosts to read at the same time (default: 8); each has a few connections: to "
        "Placement, to its cell's database and to the broker",
    )
    parser.add_argument(
        "-f", "--format", choices=("table", "json"), default="table", help="(default: table)"
    )
    parser.set_defaults(run=run, unconfigured=NOT_CHECKED)


def run(arguments: argparse.Namespace, survey: Survey | None = None) -> int:
    """Check, print, and say it in the exit code.

    :param survey: in place of the libvirt of ``--libvirt``
    """
    try:
        report = _check(arguments, survey)
    except Unread as error:
        report = Report(unread=(error,))
    show = as_json if arguments.format == "json" else as_text
    print(show(report))
    return report.exit_code


def _check(arguments: argparse.Namespace, survey: Survey | None) -> Report:
    # Here, so that --help needs no Nova, and Nova is configured before it is imported.
    import nova.conf
    from nova import context as nova_context

    from nova_xloud.audit.cells import Cells
    from nova_xloud.audit.cloud import Cloud
    from nova_xloud.audit.guests import witnesses
    from nova_xloud.audit.invariants import Check, Options

    cloud = Cloud(Cells(nova_context.get_admin_context()))
    hosts = cloud.hosts()
    asked = {}
    if not arguments.no_guests:
        asked = witnesses(
            {host.name: host.up for host in hosts},
            dict(arguments.libvirt),
            survey or _survey_at,
        )
    grace = arguments.boot_grace
    if arguments.libvirt:
        # Here, and not by the threads that ask: on eventlet those may use nothing that it has
        # replaced, and an import takes locks. What is missing is said of each host.
        with contextlib.suppress(ImportError):
            importlib.import_module("nova_xloud.libvirt.domain_stats")
    with Progress(sys.stderr) as progress:
        options = Options(
            settle=arguments.settle,
            boot_grace=nova.conf.CONF.xloud.boot_grace if grace is None else grace,
            parallel=arguments.parallel,
            progress=progress,
        )
        return Check(cloud, hosts, asked, options).run()


def _survey_at(uri: str) -> Mapping[str, DomainStats]:
    # Here, because where no --libvirt is given there may be none to import.
    from nova_xloud.libvirt.domain_stats import survey_at

    return survey_at(uri)


def _host_and_uri(text: str) -> tuple[str, str]:
    host, _, uri = text.partition("=")
    if not (host and uri):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST=URI")
    return host, uri


def _at_least_one(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of hosts")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds
