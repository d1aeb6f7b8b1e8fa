# SPDX-License-Identifier: Apache-2.0
"""``python -m xloud_dashboard``: install the plugin into Horizon, check it, remove it."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from xloud_dashboard.install import links, static
from xloud_dashboard.install.horizon import Horizon, InstallError, Probe, find

PROGRAM = "python -m xloud_dashboard"
_UNDONE = "the links are again as they were before this run: Horizon may be restarted"
_AGAIN = "run this command again, to its end, before Horizon's web server is restarted"
WITHOUT_STATIC = "left out collectstatic and compress: run both before Horizon is used"

DESCRIPTION = """\
Install the pages of nova-xloud into OpenStack's dashboard, Horizon.

Run this command with the Python that runs Horizon, where nova-xloud[dashboard]
is installed too, and as the user who owns Horizon's files.
"""

EPILOG = f"""\
commands:
  install   link the plugin's files into Horizon's local/enabled and
            local/local_settings.d, then run "django collectstatic" and, where
            COMPRESS_OFFLINE is on, "django compress". Run it again after each
            upgrade of nova-xloud or of Horizon: what is right is left alone
  check     change nothing; say what is missing, or too old for this version:
            links, rules of policies, static files, the manifest of bundles
  remove    take the links away, and run the two static steps without them. Run it
            again if a static step has failed

Restart Horizon's web server after install and remove.

examples:
  {PROGRAM} install
  {PROGRAM} install --horizon /usr/share/openstack-dashboard
  {PROGRAM} check

exit codes: 0 done, or nothing to do; 1 it failed, or check found something;
2 the arguments are wrong; 130 it was interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code, which the help explains.

    :param argv: the arguments; default: those of the process
    :raises SystemExit: the arguments are wrong (2), or ask for help (0)
    """
    arguments = _parser().parse_args(argv)
    try:
        horizon = find(arguments.horizon)
        if arguments.command == "check":
            return _check(horizon)
        act = _install if arguments.command == "install" else _remove
        for line in act(horizon, arguments.static):
            _say(line)
    except InstallError as error:
        _say(f"failed: {error}", sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("install", "check", "remove"))
    parser.add_argument(
        "--horizon",
        metavar="FOLDER",
        type=Path,
        help="the folder that has the package openstack_dashboard (default: the one that this "
        "Python imports)",
    )
    parser.add_argument(
        "--no-static",
        dest="static",
        action="store_false",
        help="leave the two static steps out, for images in which they are run later",
    )
    return parser


def _install(horizon: Horizon, with_static: bool) -> Iterator[str]:
    """Install the plugin, and yield a line for each thing that was done.

    Links without the bundles that belong to them would end every page of Horizon in an error once
    it is restarted. So whatever ends this before its end, an interruption too, puts the links back
    as they were.
    """
    links.require_places(horizon)
    # A link that is right already leads Horizon to this version, whose bundles are not made yet.
    is_active = any(link.state is links.State.RIGHT for link in links.wanted(horizon))
    changes: list[links.Change] = []
    try:
        yield from _link(horizon, changes)
        yield from _take_in(horizon, with_static)
    except BaseException:
        for change in reversed(changes):
            change.undo()
        with _telling(_AGAIN if is_active else _UNDONE):
            raise
    yield "installed: restart Horizon's web server now"


def _link(horizon: Horizon, changes: list[links.Change]) -> Iterator[str]:
    """Make the links, and append to ``changes`` what was changed."""
    for path in links.left_over(horizon):
        changes.append(links.drop(path))
        yield f"removed {path}, which this version does not need"
    for link in links.wanted(horizon):
        if change := link.make():
            changes.append(change)
        yield f"linked {link.at}" if change else f"{link.at} is there"


def _take_in(horizon: Horizon, with_static: bool) -> Iterator[str]:
    """Check that Horizon takes the linked files, and run the static steps."""
    probe = horizon.probe()
    if problem := "; ".join(_not_loaded(probe)):
        raise InstallError(problem)
    if with_static:
        yield from static.build(horizon, probe)
    else:
        yield WITHOUT_STATIC


def _remove(horizon: Horizon, with_static: bool) -> Iterator[str]:
    """Remove the plugin, and yield a line for each thing that was done."""
    removed = links.remove(horizon)
    yield from (f"removed {path}" for path in removed)
    if not removed:
        yield f"there is no link of the plugin in {horizon.folder}"
    # Also without a link: a static step may have failed after the links were removed.
    if with_static:
        yield from _build_without(horizon)
    else:
        yield WITHOUT_STATIC
    yield "removed: restart Horizon's web server now, then the package may be uninstalled"


def _build_without(horizon: Horizon) -> Iterator[str]:
    with _telling(f"the links are removed: {_AGAIN}"):
        yield from static.build(horizon, horizon.probe())


@contextlib.contextmanager
def _telling(told: str) -> Iterator[None]:
    """Tell what is so now, whatever ends the block before its end.

    It is added to the message of an :class:`InstallError`, and printed at any other end, as by an
    interruption.
    """
    try:
        yield
    except InstallError as error:
        raise InstallError(f"{error}; {told}") from error
    except BaseException:
        _say(f"ended before everything was done; {told}", sys.stderr)
        raise


def _check(horizon: Horizon) -> int:
    """Print what is missing or too old, and return the exit code."""
    found = list(findings(horizon))
    for line in found:
        _say(f"wrong: {line}")
    if found:
        _say(f"{PROGRAM} install puts most of this right")
        return 1
    _say(f"the plugin is installed in {horizon.folder}, and nothing of it is stale")
    return 0


def findings(horizon: Horizon) -> Iterator[str]:
    """Yield what is wrong with the plugin in ``horizon``, in sentences.

    :raises InstallError: Horizon's settings cannot be read
    """
    wrong = [link for link in links.wanted(horizon) if link.state is not links.State.RIGHT]
    yield from (f"{link.at} {link.state.value}" for link in wrong)
    for path in links.left_over(horizon):
        yield f"{path} is a link of another version"
    probe = horizon.probe()
    if not wrong:
        yield from _not_loaded(probe)
    yield from static.stale(horizon, probe)


def _not_loaded(probe: Probe) -> Iterator[str]:
    """Yield what Horizon has not taken from the linked files, or cannot use."""
    if not probe.is_enabled:
        yield (
            "Horizon does not load the plugin: it logs why; a later file of local/enabled may "
            "switch it off"
        )
    if probe.policies_error:
        yield (
            "Horizon does not have the rules of nova-xloud, so the pages offer nothing that would "
            f"change a server: {probe.policies_error}"
        )
    if probe.settings_error:
        yield probe.settings_error


def _say(text: str, stream: TextIO | None = None) -> None:
    (stream or sys.stdout).write(f"{text}\n")
