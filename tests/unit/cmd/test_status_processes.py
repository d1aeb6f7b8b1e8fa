# SPDX-License-Identifier: Apache-2.0
"""nova-xloud-status in a process of its own: what it imports, misses, and how it is interrupted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.patience import LIMIT
from nova_xloud.audit import upgrade_check
from nova_xloud.core.remedies.findings import FINDINGS


def test_help_teaches_and_imports_no_nova() -> None:
    script = (
        "import sys\nfrom nova_xloud.cmd.status import main\n"
        "try:\n    main(['invariants', '--help'])\n"
        "finally:\n    print('nova' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == "False\n"
    for code in FINDINGS.keys() - {"guest_unknown"}:
        assert f"  {code} " in done.stdout
    assert "Exit codes: 0 every rule holds; 1 a rule is broken; 2" in done.stdout


def test_help_of_the_upgrade_check_names_each_check_and_imports_no_nova() -> None:
    script = (
        "import sys\nfrom nova_xloud.cmd.status import main\n"
        "try:\n    main(['upgrade', 'check', '--help'])\n"
        "finally:\n    print('nova' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == "False\n"
    for name, _ in upgrade_check.Readiness(list, ()).checks():
        assert f"\n  {name} " in done.stdout
    assert "255" in done.stdout


@pytest.mark.parametrize(
    ("command", "code"), [(["invariants"], 2), (["upgrade", "check", "--json"], 255)]
)
def test_a_configuration_that_is_not_there_is_no_outcome_and_named(
    command: list[str], code: int
) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "nova_xloud.cmd.status",
            "--config-file",
            "/nowhere/nova.conf",
            *command,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code
    assert "/nowhere/nova.conf" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


INTERRUPTED = """
import contextlib, os, signal, sys, threading

# A shell starts what it does not wait for with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

from nova_xloud.cmd import invariants, status
from tests.unit.audit.test_invariants_of_a_host import Answers, check_of, read

def hang():
    threading.Event().wait()

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

def check(arguments, survey):
    with invariants.Progress(sys.stderr) as progress:
        progress(1, 3, 9)
        return read(check_of(Answers(hang), Answers(hang), Answers(interrupt))[0])

invariants._check = check
sys.stderr.isatty = lambda: True
sys.exit(status.main(["invariants", "-f", "json"], lambda options: contextlib.nullcontext()))
"""
UNPREPARED = """
import contextlib
import functools
import sys

from keystoneauth1.exceptions import ConnectFailure

from nova_xloud.cmd import status

CELL = "00000000-0000-0000-0000-000000000001"


class Silent:
    def get(self, *arguments, **more):
        raise ConnectFailure("nobody listens")


@contextlib.contextmanager
def with_a_host(options):
    with status._configured(options):
        import nova.conf
        from nova import objects
        from nova.scheduler.client import report
        from nova_xloud.audit.cloud import Cloud, Host

        cell = objects.CellMapping(
            uuid=CELL, name="cell1", transport_url="fake:/", database_connection="sqlite://"
        )
        objects.CellMappingList.get_all = lambda context: [cell]
        if "no database" not in sys.argv[2]:
            nova.conf.CONF.set_default("connection", "sqlite://", "database")
        if sys.argv[2].startswith("a client"):
            report.report_client_singleton = Silent
        host = functools.partial(Host, "host1", "node1", "provider", up=True)
        Cloud.hosts = lambda cloud: list(cloud.cells.every(lambda at: [host(context=at)]))
        yield


arguments = ["--config-file", sys.argv[1], *sys.argv[3:], "-f", "json"]
sys.exit(status.main(arguments, with_a_host))
"""


@pytest.mark.parametrize("arguments", [(), ("--libvirt", "host1=test:///default")])
@pytest.mark.parametrize(
    ("placement", "unread"),
    [
        (
            "a client",
            "Placement could not be asked for the inventories of host host1: nobody listens",
        ),
        # These credentials know no Placement.
        ("none", "Placement could not be reached"),
        ("a client, and no database", "nova.conf has no [database] connection"),
    ],
)
def test_fresh_process_says_what_it_could_not_read(
    tmp_path: Path, placement: str, unread: str, arguments: tuple[str, ...]
) -> None:
    """No test has made a client, a session or an option for it."""
    conf = tmp_path / "nova.conf"
    conf.write_text("[DEFAULT]\ntransport_url = fake:/\n[placement]\nauth_type = none\n")
    done = subprocess.run(
        [sys.executable, "-c", UNPREPARED, str(conf), placement, "invariants", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 2, done.stderr
    assert unread in json.loads(done.stdout)["not_checked"][0]["what"], done.stderr


def test_ctrl_c_waits_for_no_host_and_is_130() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, "")
    # Not behind the line that says how far it was.
    assert (
        done.stderr.splitlines()[-1]
        == "nova-xloud-status: interrupted before the check was finished; nothing was reported"
    )
    assert "Traceback" not in done.stderr
