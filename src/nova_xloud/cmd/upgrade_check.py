# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-status upgrade check``: check whether a cloud is ready for nova-xloud."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nova_xloud.cmd import command

if TYPE_CHECKING:
    from nova_xloud.core.checks.upgrade_check import Verdict

DESCRIPTION = """\
Check everything that nova-xloud needs. For each check, report what was found,
what is wrong, and how to put it right:

  Nova release         the installed Nova belongs to a release that was tested
  Seams                every point of Nova that nova-xloud extends or calls is
                       as nova-xloud expects it
  nova-api             nova-api runs with nova-xloud; it is asked over HTTP,
                       with the credentials of [placement], at the URL of the
                       service catalogue, or at each --api URL
  nova-conductor       every nova-conductor that is up in Nova's records runs
                       with nova-xloud, in the version that is installed here;
                       each one is asked over RPC
  nova-scheduler       the same for every nova-scheduler
  nova-compute         the same for every nova-compute; hosts without
                       nova-xloud, or with an older RPC version, are reported
  Balloon statistics   [libvirt] mem_stats_period_seconds is not 0 on any
                       compute host
  Scheduler filters    no filter reads minimum_cpu and minimum_memory as
                       requirements on a host
  Minimums of flavors  the minimums that flavors name are possible, and consoles
                       that round can show and send them
  Automatic growth     where the option or a flavor asks for it: each
                       nova-conductor can check quotas for compute hosts, and
                       all services have the same [xloud] autoscale
  Invariants           no rule of nova-xloud-status invariants is broken

The command changes nothing. A service that is down or does not answer is a
warning, and so is anything that could not be read; the other checks go ahead.
"""

EPILOG = """\
Exit codes, as those of nova-status: 0 all is well; 1 the worst result is a
warning: something is unknown, or works with restrictions; 2 the worst result
is a failure: put it right before flavors name minimums; 255 the check could
not begin, for example because nova.conf cannot be read. Wrong arguments end
with 2 as well, with a message on stderr.

With --json the result is one object on stdout, in which result is 0, 1 or 2:
{"name", "checks": [{"check", "result", "details"}]}

  nova-xloud-status upgrade check
  nova-xloud-status upgrade check --json
  nova-xloud-status upgrade check --api http://10.0.0.11:8774/v2.1 \\
                                  --api http://10.0.0.12:8774/v2.1
"""

# The exit code of oslo.upgradecheck if no check could begin.
ERROR = 255


def add(commands: Any, parent: argparse.ArgumentParser) -> None:
    """Add the command ``upgrade check`` to ``commands``, which ``add_subparsers()`` returned."""
    what = "check that a cloud is as nova-xloud needs it"
    upgrade = command.add(commands, "upgrade", parent, what=what)
    checks = upgrade.add_subparsers(metavar="check", required=True)
    parser = command.add(checks, "check", parent, what=what, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument(
        "--api",
        metavar="URL",
        action="append",
        default=[],
        help="the URL of a nova-api to check, for example http://10.0.0.11:8774/v2.1; can be "
        "repeated, for every nova-api behind a load balancer (default: the URL in the service "
        "catalogue)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object (default: a table)"
    )
    parser.set_defaults(run=run, unconfigured=ERROR)


def run(arguments: argparse.Namespace) -> int:
    """Run all checks, print their results, and return the exit code.

    :returns: the worst result: 0 success, 1 warning, 2 failure; 255 if oslo.upgradecheck cannot
        run the checks
    """
    # Here, so that --help needs no Nova, and Nova is configured before it is imported.
    from oslo_config import cfg
    from oslo_upgradecheck import upgradecheck

    from nova_xloud.audit.upgrade_check import Readiness
    from nova_xloud.seams import install

    class Checks(upgradecheck.UpgradeCommands):
        display_title = "nova-xloud upgrade check"
        _upgrade_checks = tuple(
            (name, _as_oslo(check))
            for name, check in Readiness(install.check, arguments.api).checks()
        )

    # oslo.upgradecheck gets a configuration of its own, for its arguments: Nova's is read already.
    code: int = upgradecheck.main(
        cfg.ConfigOpts(),
        "nova-xloud",
        Checks(),
        argv=["upgrade", "check", *(["--json"] if arguments.json else [])],
        default_config_files=[],
    )
    return int(code)


def _as_oslo(check: Callable[[], Verdict]) -> Callable[[Any], Any]:
    from oslo_upgradecheck import upgradecheck

    def call(commands: Any) -> Any:
        verdict = check()
        return upgradecheck.Result(upgradecheck.Code(verdict.level), verdict.details)

    return call
