# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-status upgrade check``: is this cloud ready for nova-xloud?"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nova_xloud.cmd import command

if TYPE_CHECKING:
    from nova_xloud.core.checks.upgrade_check import Verdict

DESCRIPTION = """\
Look at everything that nova-xloud needs to be so, and say of each what was seen, what is not so,
and the way out:

  Nova release         the Nova installed here belongs to a release that was tested
  Seams                every point where it is extended or called is as expected
  nova-api             it runs with nova-xloud: asked over HTTP, with the credentials of
                       [placement], at the URL of the service catalogue, or at each --api URL
  nova-conductor       each one of Nova's records that is up runs with nova-xloud, and with the
  nova-scheduler       version that is here: asked over RPC
  nova-compute         likewise; hosts without it, or with an older RPC version
  Balloon statistics   [libvirt] mem_stats_period_seconds is not 0 on any compute host
  Scheduler filters    no filter takes minimum_cpu and minimum_memory for what a host has to say
  Minimums of flavors  those that stored flavors name are possible
  Invariants           as nova-xloud-status invariants

It changes nothing. A service that is down, or that does not answer, is a warning, and so is what
could not be read; the other checks answer all the same.
"""

EPILOG = """\
Exit codes, those of nova-status: 0 all is well; 1 the worst is a warning: something is not known,
or works with less; 2 the worst is a failure: put it right before flavors name minimums; 255 it
could not begin: nova.conf cannot be read, say. Wrong arguments are 2 too, and are told on stderr.

With --json all of it is one object on stdout: {"name", "checks": [{"check", "result", "details"}]},
result being 0, 1 or 2.

  nova-xloud-status upgrade check
  nova-xloud-status upgrade check --json
  nova-xloud-status upgrade check --api http://10.0.0.11:8774/v2.1 --api http://10.0.0.12:8774/v2.1
"""

# oslo.upgradecheck's, for what is no outcome of a check.
ERROR = 255


def add(commands: Any, parent: argparse.ArgumentParser) -> None:
    """Add this command to a parser's ``add_subparsers()``."""
    what = "say what of a cloud is not as nova-xloud needs it"
    upgrade = command.add(commands, "upgrade", parent, what=what)
    checks = upgrade.add_subparsers(metavar="check", required=True)
    parser = command.add(checks, "check", parent, what=what, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument(
        "--api",
        metavar="URL",
        action="append",
        default=[],
        help="a nova-api to ask, as http://10.0.0.11:8774/v2.1; may be repeated, for each one "
        "behind a load balancer (default: the one in the service catalogue)",
    )
    parser.add_argument("--json", action="store_true", help="(default: a table)")
    parser.set_defaults(run=run, unconfigured=ERROR)


def run(arguments: argparse.Namespace) -> int:
    """Check, print, and say the worst in the exit code."""
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

    # A configuration of its own: Nova's is read already, and oslo's is about the arguments only.
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
