# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-status invariants``: list every rule that a cloud's instances and hosts break.

The main rule is that Placement has allocated at least what each guest has. ``DESCRIPTION`` lists
all rules.
"""

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
Read Placement, Nova's databases and the guests, in all cells, and list every
rule that is broken:

  reserved_below_held     Placement has less for an instance than its guest has
  reserved_below_defined  Placement has less for an instance than libvirt would
                          start its guest with
  reserved_below_desired  Placement has less for an instance than its desired
                          size
  columns_differ          Nova's database records another size for an instance
                          than Placement
  desired_out_of_bounds   the desired size of an instance is not one that its
                          flavor allows
  record_unreadable       the desired size of an instance cannot be read
  no_allocation           Placement has nothing for an instance on its host
  allocation_elsewhere    Placement has something for an instance on a host that
                          the instance is not on
  host_oversold           the allocations on a host exceed its capacity
  orphaned_allocation     an allocation belongs to no instance and no migration

All rules but the last two are checked for elastic instances only: those whose
flavor names a minimum, and those that were adjusted at least once.

What a guest has is reported by the nova-compute of its host or, with --libvirt,
by the libvirt of that host. The guests of a host that is down are not checked;
that is reported as a note, and not as a broken rule. Another note is about a
guest that has just started, and still has more memory than was claimed.

The cloud keeps running during the check. A rule that seems to be broken is
checked again for some seconds (--settle), and reported only if it stays broken.

Several hosts are read at the same time (--parallel). A host whose nova-compute
or libvirt does not answer within [DEFAULT] rpc_response_timeout is reported as
not checked. Progress is written to stderr: on a terminal in one line, and
otherwise in a line for every 20 hosts.
"""

EPILOG = """\
Exit codes: 0 every rule holds; 1 a rule is broken; 2 no broken rule was found,
but not everything could be checked: the report says what, and what to do about
it; 130 interrupted (Ctrl-C): nothing is reported. Wrong arguments end with 2
as well, with a message on stderr.
With -f json the report is one object on stdout.

  nova-xloud-status invariants
  nova-xloud-status invariants -f json --no-guests
  nova-xloud-status invariants --libvirt node1=qemu+ssh://root@node1/system
"""


def add(commands: Any, parent: argparse.ArgumentParser) -> None:
    """Add the command ``invariants`` to ``commands``, which ``add_subparsers()`` returned."""
    parser = command.add(
        commands,
        "invariants",
        parent,
        what="check that Placement has allocated what every guest has",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument(
        "--libvirt",
        metavar="HOST=URI",
        action="append",
        default=[],
        type=_host_and_uri,
        help="ask the libvirt at URI, and not nova-compute, what the guests of HOST have; the "
        "connection is read-only. HOST is a name in `openstack compute service list`; can be "
        "repeated",
    )
    parser.add_argument(
        "--no-guests",
        action="store_true",
        help="compare only Nova's databases and Placement; do not ask nova-compute or libvirt what "
        "the guests have",
    )
    parser.add_argument(
        "--settle",
        metavar="SECONDS",
        type=_seconds,
        default=5.0,
        help="a rule that seems to be broken is checked again for so many seconds, and at least "
        "once, before "
        "it is reported (default: 5)",
    )
    parser.add_argument(
        "--boot-grace",
        metavar="SECONDS",
        type=_seconds,
        help="how long after its start a guest may have more memory than is claimed (default: "
        "[xloud] boot_grace)",
    )
    parser.add_argument(
        "--parallel",
        metavar="HOSTS",
        type=_at_least_one,
        default=8,
        help="how many hosts to read at the same time (default: 8); each needs connections to "
        "Placement, to the database of the host's cell and to the message broker",
    )
    parser.add_argument(
        "-f",
        "--format",
        choices=("table", "json"),
        default="table",
        help="format of the report (default: table)",
    )
    parser.set_defaults(run=run, unconfigured=NOT_CHECKED)


def run(arguments: argparse.Namespace, survey: Survey | None = None) -> int:
    """Check the cloud, print the report, and return the exit code, which ``EPILOG`` explains.

    If the check cannot be made, because Placement cannot be read for example, the report says why.

    :param survey: reads all domains of the libvirt at a URI, for ``--libvirt``; default:
        :func:`nova_xloud.libvirt.domain_stats.survey_at`
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
        # Imported here, and not by the threads that ask libvirt: on eventlet those may use nothing
        # that eventlet has replaced, and an import takes locks. A libvirt that is missing is
        # reported for each host.
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
    # Imported here, because libvirt may not be installed where no --libvirt is given.
    from nova_xloud.libvirt.domain_stats import survey_at

    return survey_at(uri)


def _host_and_uri(text: str) -> tuple[str, str]:
    host, _, uri = text.partition("=")
    if not (host and uri):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form HOST=URI, for example host1=qemu+ssh://host1/system"
        )
    return host, uri


def _at_least_one(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of hosts; write a whole number, at least 1"
        )
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; write 0 or more")
    return seconds
