# SPDX-License-Identifier: Apache-2.0
"""nova-xloud-run, as far as it goes without Nova: its own arguments, and what it hands on."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from nova_xloud.cmd import run
from nova_xloud.errors import UnfitNova


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """In place of the seams; tells when they were installed, among what else is put in."""
    order: list[str] = []

    monkeypatch.setattr(run, "_extend_when_configured", lambda: order.append("install"))
    return order


def invoked(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["nova-xloud-run", *arguments])
    return run.main()


def command(
    monkeypatch: pytest.MonkeyPatch, order: list[str], result: int | None = None
) -> list[list[str]]:
    """An installed command ``nova-fake``; returns the list that its ``sys.argv`` is put in."""
    seen: list[list[str]] = []

    def start() -> int | None:
        order.append("start")
        seen.append(list(sys.argv))
        return result

    def load() -> object:
        order.append("load")
        return start

    def entry_points(*, group: str, name: str) -> list[SimpleNamespace]:
        known = (group, name) == ("console_scripts", "nova-fake")
        return [SimpleNamespace(load=load)] if known else []

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return seen


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_on_stdout_and_no_error(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoked(monkeypatch, option) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("usage: nova-xloud-run COMMAND")
    assert printed.err == ""


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "usage: nova-xloud-run COMMAND"),
        (("-m",), "-m needs the name of a module"),
        (("--config-file", "nova.conf"), "unknown option --config-file"),
        (("-x", "nova-compute"), "unknown option -x"),
        (("nova-nothing",), "no installed package has a command 'nova-nothing'"),
    ],
    ids=["nothing", "no module", "unknown option", "unknown short option", "unknown command"],
)
def test_wrong_usage_is_2_and_told_on_stderr_and_nothing_is_installed(
    arguments: tuple[str, ...],
    named: str,
    installed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoked(monkeypatch, *arguments) == 2
    printed = capsys.readouterr()
    assert named in printed.err
    assert "usage: nova-xloud-run" in printed.err
    assert printed.out == ""
    assert installed == []


def test_all_arguments_are_the_commands_own(
    installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = command(monkeypatch, installed)
    assert invoked(monkeypatch, "nova-fake", "--help", "-m", "x") == 0
    assert seen == [["nova-fake", "--help", "-m", "x"]]


def test_the_command_is_imported_then_extended_then_started(
    installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command(monkeypatch, installed)
    invoked(monkeypatch, "nova-fake")
    assert installed == ["load", "install", "start"]


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (3, 3)])
def test_the_exit_code_is_the_commands(
    result: int | None, code: int, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command(monkeypatch, installed, result)
    assert invoked(monkeypatch, "nova-fake") == code


def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module ``xloud_probe`` that writes down its name and arguments."""
    written = tmp_path / "written"
    source = f"import sys\nopen({str(written)!r}, 'w').write(repr((__name__, sys.argv[1:])))\n"
    (tmp_path / "xloud_probe.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    return written


def test_a_module_is_run_as_main_with_its_own_arguments(
    installed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = module(tmp_path, monkeypatch)
    assert invoked(monkeypatch, "-m", "xloud_probe", "-v", "--help") == 0
    assert written.read_text() == repr(("__main__", ["-v", "--help"]))
    assert installed == ["install"]


@pytest.fixture
def unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    def install() -> None:
        raise UnfitNova(["nova.thing: expected (a), found (b)"])

    seams = SimpleNamespace(install_when_configured=install)
    monkeypatch.setitem(sys.modules, "nova_xloud.seams.install", seams)  # type: ignore[arg-type]


@pytest.mark.usefixtures("unfit")
def test_unfit_nova_exits_with_78_and_names_the_seam(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order: list[str] = []
    command(monkeypatch, order)
    assert invoked(monkeypatch, "nova-fake") == 78
    assert order == ["load"]
    assert "nova.thing: expected (a), found (b)" in capsys.readouterr().err


@pytest.mark.usefixtures("unfit")
def test_a_nova_that_does_not_fit_is_78_and_runs_no_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = module(tmp_path, monkeypatch)
    assert invoked(monkeypatch, "-m", "xloud_probe") == 78
    assert not written.exists()
