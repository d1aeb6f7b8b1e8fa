# SPDX-License-Identifier: Apache-2.0
"""Find the installed Horizon, and run programs with its settings."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SETTINGS = "openstack_dashboard.settings"
# What a program that failed has said is cut to so many lines, the last ones.
_LINES = 15
# Seconds after which a program is ended: compress takes some minutes on a slow machine.
_TIMEOUT = 1800


class InstallError(Exception):
    """The plugin cannot be installed, checked or removed; the message says why and what to do."""


@dataclass(frozen=True)
class Horizon:
    """An installed Horizon.

    :ivar folder: the folder of the package ``openstack_dashboard``
    :ivar python: the interpreter that runs this Horizon
    """

    folder: Path
    python: str = sys.executable

    @property
    def enabled(self) -> Path:
        """The folder in which Horizon looks for plugins."""
        return self.folder / "local" / "enabled"

    @property
    def local_settings(self) -> Path:
        """The folder from which Horizon's settings are completed."""
        return self.folder / "local" / "local_settings.d"

    def run(self, *arguments: str) -> str:
        """Run Python with Horizon's settings and return what it wrote to stdout.

        :param arguments: of the interpreter, such as ``-m django collectstatic``
        :raises InstallError: the program cannot be started, failed, or did not end in time
        """
        paths = [str(self.folder.parent), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", SETTINGS),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        try:
            done = subprocess.run(
                [self.python, *arguments],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT,
            )
        except OSError as error:
            raise InstallError(
                f"{self.python} cannot be started: {error.strerror}; run this command with the "
                "Python that runs Horizon"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise InstallError(
                f"python {' '.join(arguments)} was ended after {_TIMEOUT} seconds: find out what "
                "it waits for, such as a file system, and run this command again"
            ) from error
        if done.returncode != 0:
            said = "\n  ".join((done.stderr or done.stdout).strip().splitlines()[-_LINES:])
            raise InstallError(
                f"python {' '.join(arguments)} ended with exit code {done.returncode}; the end of "
                f"what it wrote:\n  {said}"
            )
        return done.stdout

    def probe(self) -> Probe:
        """Return what Horizon's settings say of the plugin and of static files.

        :raises InstallError: the settings cannot be read
        """
        wrote = self.run("-m", "xloud_dashboard.install.probe")
        # Libraries may print too, before and after it.
        lines = [line for line in wrote.splitlines() if line.startswith("{")]
        try:
            return Probe(**json.loads(lines[-1]))
        except (ValueError, LookupError, TypeError) as error:
            said = "\n  ".join(wrote.strip().splitlines()[-_LINES:])
            raise InstallError(
                "Horizon's settings have not been told by xloud_dashboard.install.probe: check "
                f"that the Python of Horizon imports this xloud_dashboard; it wrote:\n  {said}"
            ) from error


@dataclass(frozen=True)
class Probe:
    """What Horizon's settings say.

    :ivar is_enabled: whether Horizon has found the plugin
    :ivar policies_error: why Horizon does not have the rules of nova-xloud; empty if it has them
    :ivar settings_error: what is wrong with the setting ``XLOUD_DASHBOARD``; empty if nothing is
    :ivar static_root: the folder from which the web server serves static files
    :ivar is_offline: whether bundles of scripts and styles are made beforehand
        (``COMPRESS_OFFLINE``), and not when a page is asked for
    :ivar bundles_error: which template of every page has scripts or styles without a bundle; empty
        if none has, or if bundles are made when a page is asked for
    :ivar manifest: the file that names the bundles
    """

    is_enabled: bool
    policies_error: str
    settings_error: str
    static_root: str
    is_offline: bool
    bundles_error: str
    manifest: str


def find(folder: Path | None = None) -> Horizon:
    """Return the Horizon that is installed for this interpreter, or that is in ``folder``.

    :param folder: the folder of the package ``openstack_dashboard``, or the one that has it
    :raises InstallError: there is no Horizon
    """
    found = _installed() if folder is None else _in(folder)
    if found is None:
        where = f"in {folder}" if folder else f"for {sys.executable}"
        raise InstallError(
            f"there is no Horizon {where}: run this command with the Python that runs Horizon, or "
            "name the folder that has openstack_dashboard with --horizon, as in "
            "--horizon /usr/share/openstack-dashboard"
        )
    return Horizon(found)


def _installed() -> Path | None:
    spec: Any = importlib.util.find_spec("openstack_dashboard")
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _in(folder: Path) -> Path | None:
    candidates = (folder, folder / "openstack_dashboard")
    return next((one.resolve() for one in candidates if (one / "settings.py").is_file()), None)
