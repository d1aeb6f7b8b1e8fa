"""``python -m xloud_dashboard`` that is ended before its end, or reads what it cannot use."""

from pathlib import Path

import pytest

from tests.unit.dashboard.conftest import FakePrograms, links_in, run
from xloud_dashboard.install import command, links, static
from xloud_dashboard.install.horizon import Horizon, InstallError

UNDONE = "the links are again as they were before this run: Horizon may be restarted"
AGAIN = "run this command again, to its end, before Horizon's web server is restarted"
PROGRAMS = ("xloud_dashboard.install.probe", "collectstatic", "compress")


@pytest.mark.parametrize("program", PROGRAMS)
def test_interrupted_install_puts_the_links_back(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    programs.fails, programs.error = program, KeyboardInterrupt()
    assert run(horizon, "install") == 130
    assert links_in(horizon) == {}
    assert UNDONE in capsys.readouterr().err


def test_install_that_is_interrupted_between_two_programs_puts_the_links_back(
    horizon: Horizon, programs: FakePrograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(text: str, stream: object = None) -> None:
        if "collectstatic" in text:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "_say", interrupted)
    assert run(horizon, "install") == 130
    assert links_in(horizon) == {}


def test_interrupted_install_with_its_links_there_says_when_not_to_restart(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    run(horizon, "install")
    programs.fails, programs.error = "compress", KeyboardInterrupt()
    assert run(horizon, "install") == 130
    assert set(links_in(horizon)) == {link.at for link in links.wanted(horizon)}
    assert AGAIN in capsys.readouterr().err


def test_interrupted_remove_says_when_not_to_restart(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    run(horizon, "install")
    programs.fails, programs.error = "compress", KeyboardInterrupt()
    assert run(horizon, "remove") == 130
    assert links_in(horizon) == {}
    assert f"the links are removed: {AGAIN}" in capsys.readouterr().err


def test_install_that_ends_with_an_error_of_its_own_puts_the_links_back(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    programs.fails, programs.error = "compress", RuntimeError("a fault")
    with pytest.raises(RuntimeError):
        run(horizon, "install")
    assert links_in(horizon) == {}
    assert UNDONE in capsys.readouterr().err


def test_answer_of_the_probe_is_found_among_what_libraries_print(
    horizon: Horizon, programs: FakePrograms
) -> None:
    programs.said = ("before", "after")
    assert run(horizon, "install") == 0


@pytest.mark.parametrize("wrote", ["", "a library prints this", "{", "[]", '{"is_enabled": true}'])
def test_probe_that_does_not_answer_is_an_error_with_what_it_wrote(
    horizon: Horizon,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrote: str,
) -> None:
    monkeypatch.setattr(Horizon, "run", lambda self, *arguments: wrote)
    assert run(horizon, "install") == 1
    assert links_in(horizon) == {}
    said = capsys.readouterr().err
    assert f"it wrote:\n  {wrote}" in said
    assert UNDONE in said


def test_python_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="cannot be started: No such file"):
        Horizon(tmp_path, str(tmp_path / "python")).run("-c", "")


def test_file_that_cannot_be_read_is_an_error_with_the_way_out(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    run(horizon, "install")
    real = Path.read_bytes

    def refused(path: Path) -> bytes:
        if "static" in path.parts:
            raise PermissionError(13, "Permission denied")
        return real(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", refused)
        for name in ("check", "install", "remove"):
            assert run(horizon, name) == 1
            assert "cannot be read: Permission denied; run this" in capsys.readouterr().err
    assert static.MARK in (horizon.folder / "static/xloud_dashboard/size.js").read_text()
