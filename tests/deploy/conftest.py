"""What the tests of deploy/ and devstack/ share. None of them starts a service.

Not run at all: DevStack, Kolla's builds, systemd itself. Run by hand, with Debian 13's own packages
unpacked: see docs/contribute/deployment-checks.md.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "deploy"
SERVICES = ("nova-compute", "nova-conductor", "nova-scheduler")
APPLICATION = "nova_xloud.wsgi.osapi_compute:application"


def shell(script: str, *arguments: object, environment: Mapping[str, str] | None = None) -> str:
    """Run a script that has to succeed; returns what it printed."""
    command = ["bash", "-euc", script, "-", *map(str, arguments)]
    return succeed(command, environment)


def succeed(command: Sequence[object], environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        env=None if environment is None else dict(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_program(path: Path, text: str = 'echo "$0 $*"') -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
