# SPDX-License-Identifier: Apache-2.0
"""nova-xloud-status as far as it goes without a cloud: arguments, what is printed, exit codes."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterator, Sequence

import pytest

from nova_xloud.audit import upgrade_check
from nova_xloud.audit.report import Report, Unread, as_json, as_text
from nova_xloud.cmd import invariants, status
from nova_xloud.core.checks.finding import Finding
from nova_xloud.core.checks.upgrade_check import Issue, Level, Verdict
from nova_xloud.core.remedies.findings import FINDINGS

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
        f"  columns_differ: {FINDINGS['columns_differ'].advice}",
        f"  host_oversold: {FINDINGS['host_oversold'].advice}",
        "",
        "Notes, no broken rules:",
        f"  host host3: nova-compute there is down. {FINDINGS['guest_unknown'].advice}",
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
