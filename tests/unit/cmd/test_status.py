# SPDX-License-Identifier: Apache-2.0
"""nova-xloud-status as far as it goes without a cloud: arguments, what is printed, exit codes."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lab.patience import LIMIT
from nova_xloud.audit import upgrade_check
from nova_xloud.audit.report import Report, Unread, as_json, as_text
from nova_xloud.cmd import invariants, status
from nova_xloud.core.checks.finding import REMEDIES, Finding
from nova_xloud.core.checks.upgrade_check import Issue, Level, Verdict

# Words that say nothing to who has not read the code.
PRIVATE = ("likewise", "see there", "is told", "asked of", "looked at", "things go on", "anew")
BREAK = Finding("columns_differ", "uuid-1", "host1", "its columns say so, and Placement so")
SOLD = Finding("host_oversold", None, "host22", "9 of VCPU, and its capacity is 8", "VCPU")
NOTE = Finding("guest_unknown", None, "host3", "nova-compute there is down", note=True)
UNREAD = Unread("cell x could not be read", "look where it is")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[argparse.Namespace]:
    """In place of the check; the arguments that it was given."""
    seen: list[argparse.Namespace] = []

    def check(arguments: argparse.Namespace, survey: object) -> Report:
        seen.append(arguments)
        return Report()

    monkeypatch.setattr(invariants, "_check", check)
    return seen


def run(*argv: str) -> tuple[int, list[str]]:
    """The exit code, and the options that Nova was configured with."""
    given: list[str] = []

    @contextlib.contextmanager
    def configured(options: Sequence[str]) -> Iterator[None]:
        given.extend(options)
        yield

    return status.main(argv, configured), given


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
    for code in REMEDIES.keys() - {"guest_unknown"}:
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


def test_help_of_all_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("--help")
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith("usage: nova-xloud-status ")
    assert "invariants" in printed
    assert "upgrade" in printed


@pytest.mark.parametrize("argv", [(), ("invariants",), ("upgrade",), ("upgrade", "check")])
def test_help_fits_80_columns_and_is_of_plain_sentences(
    argv: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        run(*argv, "--help")
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if len(line) > 80] == []
    assert [word for word in PRIVATE if word in printed] == []


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        ((), "COMMAND"),
        (("nothing",), "invalid choice: 'nothing'"),
        (("invariants", "--no-guest"), "--no-guest"),
        (("invariants", "--libvirt", "host1"), "'host1' is not of the form HOST=URI"),
        (("invariants", "--libvirt", "=qemu:///system"), "is not of the form HOST=URI"),
        (("invariants", "--settle", "soon"), "'soon' is not a number of seconds"),
        (("invariants", "--settle", "-1"), "'-1' is not a number of seconds"),
        (("invariants", "--boot-grace", "inf"), "'inf' is not a number of seconds"),
        (("invariants", "--boot-grace", "nan"), "'nan' is not a number of seconds"),
        (("invariants", "--parallel", "0"), "'0' is not a number of hosts"),
        (("invariants", "--parallel", "many"), "'many' is not a number of hosts"),
        (("invariants", "-f", "xml"), "invalid choice: 'xml'"),
        (("upgrade",), "check"),
        (("upgrade", "chuck"), "invalid choice: 'chuck'"),
        (("upgrade", "check", "--js"), "--js"),
    ],
)
def test_wrong_usage_is_2_and_told_on_stderr(
    argv: tuple[str, ...],
    named: str,
    asked: list[argparse.Namespace],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*argv)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert named in printed.err
    assert (printed.out, asked) == ("", [])


def test_without_options(asked: list[argparse.Namespace]) -> None:
    assert run("invariants") == (0, [])
    (arguments,) = asked
    assert (arguments.libvirt, arguments.no_guests, arguments.format) == ([], False, "table")
    assert (arguments.settle, arguments.boot_grace, arguments.parallel) == (5.0, None, 8)


def test_options(asked: list[argparse.Namespace]) -> None:
    run("invariants", "--libvirt", "a=x+y:///?k=v", "--libvirt", "b=z", "--settle", "0")
    (arguments,) = asked
    assert arguments.libvirt == [("a", "x+y:///?k=v"), ("b", "z")]
    assert arguments.settle == 0.0


@pytest.mark.parametrize(
    "argv",
    [
        ("--config-file", "a", "--config-file=b", "--config-dir", "c", "invariants"),
        ("invariants", "--config-file", "a", "--config-file=b", "--config-dir", "c"),
    ],
    ids=["before the command", "behind it"],
)
@pytest.mark.usefixtures("asked")
def test_the_configuration_is_novas(argv: tuple[str, ...]) -> None:
    assert run(*argv) == (0, ["--config-file=a", "--config-file=b", "--config-dir=c"])


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


@pytest.mark.parametrize("form", ["table", "json"])
def test_what_could_not_be_begun_is_2_and_printed_in_the_form_asked_for(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(arguments: argparse.Namespace, survey: object) -> Report:
        raise UNREAD

    monkeypatch.setattr(invariants, "_check", check)
    assert run("invariants", "-f", form)[0] == 2
    printed = capsys.readouterr().out
    if form == "json":
        assert json.loads(printed)["not_checked"] == [
            {"what": "cell x could not be read", "remedy": "look where it is"}
        ]
    else:
        assert "Not checked:\n  cell x could not be read; look where it is.\n" in printed


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (Report(), 0),
        (Report(found=(NOTE,)), 0),
        (Report(unread=(UNREAD,)), 2),
        (Report(found=(NOTE,), unread=(UNREAD,)), 2),
        (Report(found=(BREAK, NOTE)), 1),
        (Report(found=(BREAK,), unread=(UNREAD,)), 1),
    ],
)
def test_exit_codes(report: Report, code: int) -> None:
    assert report.exit_code == code
    assert json.loads(as_json(report))["exit_code"] == code


WHOLE = Report((BREAK, NOTE, SOLD, BREAK), (UNREAD,), instances=9, elastic=4, hosts=3)


def test_as_text() -> None:
    assert as_text(WHOLE).splitlines() == [
        "code            instance  host    what",
        "--------------  --------  ------  ----",
        "columns_differ  uuid-1    host1   its columns say so, and Placement so",
        "host_oversold   -         host22  9 of VCPU, and its capacity is 8",
        "columns_differ  uuid-1    host1   its columns say so, and Placement so",
        "",
        "What to do:",
        f"  columns_differ: {REMEDIES['columns_differ']}.",
        f"  host_oversold: {REMEDIES['host_oversold']}.",
        "",
        "Notes, no broken rules:",
        f"  host host3: nova-compute there is down; {REMEDIES['guest_unknown']}.",
        "",
        "Not checked:",
        "  cell x could not be read; look where it is.",
        "",
        "4 elastic of 9 instances on 3 hosts: 3 broken, 1 notes, 1 not checked",
    ]


def test_as_json() -> None:
    body = json.loads(as_json(WHOLE))
    assert body["breaks"][1] == {
        "code": "host_oversold",
        "instance": None,
        "host": "host22",
        "what": SOLD.what,
        "resource": "VCPU",
        "provider": None,
        "message": SOLD.message,
    }
    assert [note["code"] for note in body["notes"]] == ["guest_unknown"]
    assert body["counts"] == {
        "instances": 9,
        "elastic_instances": 4,
        "hosts": 3,
        "breaks": 3,
        "notes": 1,
    }


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
        ("a client", "Placement could not be asked: nobody listens"),
        # These credentials know no Placement.
        ("none", "Placement could not be reached"),
        ("a client, and no database", "nova.conf has no [database] connection"),
    ],
)
def test_a_command_that_has_made_nothing_before_says_what_it_could_not_read(
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


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> dict[str, Verdict]:
    """In place of the upgrade check's checks: verdicts by name; and what it was asked with."""
    verdicts: dict[str, Verdict] = {}

    class Judged:
        def __init__(self, misfits: object, api_urls: Sequence[str]) -> None:
            verdicts["asked"] = Verdict(" ".join(api_urls))

        def checks(self) -> list[tuple[str, object]]:
            return [(name, lambda v=verdict: v) for name, verdict in verdicts.items()]

    monkeypatch.setattr(upgrade_check, "Readiness", Judged)
    return verdicts


MILD = Verdict("B was seen", (Issue(Level.WARNING, "b is 1", "make it 2"),))
BAD = Verdict("C was seen", (Issue(Level.FAILURE, "c is 3", "make it 4"),))


@pytest.mark.parametrize(("verdicts", "code"), [([], 0), ([MILD], 1), ([BAD], 2), ([BAD, MILD], 2)])
def test_the_worst_of_an_upgrade_check_is_the_exit_code(
    verdicts: list[Verdict], code: int, judged: dict[str, Verdict]
) -> None:
    judged |= {str(number): verdict for number, verdict in enumerate(verdicts)}
    assert run("upgrade", "check") == (code, [])
    assert run("upgrade", "check", "--json") == (code, [])


def test_an_upgrade_check_as_json_and_as_a_table(
    judged: dict[str, Verdict], capsys: pytest.CaptureFixture[str]
) -> None:
    judged["Bad"] = BAD
    run("upgrade", "check", "--json", "--api", "http://a", "--api", "http://b")
    assert json.loads(capsys.readouterr().out) == {
        "name": "nova-xloud upgrade check",
        "checks": [
            {"check": "Bad", "result": 2, "details": "c is 3; make it 4. C was seen."},
            {"check": "asked", "result": 0, "details": "http://a http://b."},
        ],
    }
    # Not as it was asked before.
    run("upgrade", "check")
    printed = capsys.readouterr().out
    assert "| Check: Bad " in printed
    assert "| Result: Failure " in printed


@pytest.mark.parametrize(
    "argv",
    [
        ("--config-file", "a", "--config-dir", "c", "upgrade", "check"),
        ("upgrade", "check", "--config-file", "a", "--config-dir", "c"),
    ],
    ids=["before the command", "behind it"],
)
@pytest.mark.usefixtures("judged")
def test_the_configuration_of_an_upgrade_check_is_novas(argv: tuple[str, ...]) -> None:
    assert run(*argv) == (0, ["--config-file=a", "--config-dir=c"])
