"""``python -m xloud_dashboard`` on a folder like an installed Horizon, whose programs are faked."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.dashboard.conftest import SCRIPT, FakePrograms, links_in, run
from xloud_dashboard.install import command, links
from xloud_dashboard.install import horizon as horizon_module
from xloud_dashboard.install.horizon import Horizon, InstallError


def test_install_links_the_files_and_runs_both_static_steps(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(horizon, "install") == 0
    assert programs.ran == ["collectstatic", "compress"]
    settings = horizon.local_settings / "_2950_xloud.py"
    assert settings.readlink() == links.PACKAGE / "local_settings.d" / "_2950_xloud.py"
    assert {path.name for path in horizon.enabled.iterdir()} == {
        path.name for path in (links.PACKAGE / "enabled").glob("_[0-9]*.py")
    }
    said = capsys.readouterr().out
    assert f"linked {settings}" in said
    assert "restart Horizon's web server" in said


def test_a_second_install_changes_no_link(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    run(horizon, "install")
    capsys.readouterr()
    assert run(horizon, "install") == 0
    assert "linked" not in capsys.readouterr().out


def test_install_leads_a_link_of_another_place_here(
    horizon: Horizon, programs: FakePrograms
) -> None:
    link = horizon.enabled / "_2950_xloud.py"
    link.symlink_to("/old/venv/xloud_dashboard/enabled/_2950_xloud.py")
    assert run(horizon, "install") == 0
    assert link.readlink() == links.PACKAGE / "enabled" / "_2950_xloud.py"


def test_install_removes_a_link_of_another_version(
    horizon: Horizon, programs: FakePrograms
) -> None:
    link = horizon.enabled / "_2949_gone.py"
    link.symlink_to("/old/venv/xloud_dashboard/enabled/_2949_gone.py")
    assert run(horizon, "install") == 0
    assert not link.is_symlink()


def test_install_refuses_to_replace_a_file_of_somebody_else(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = horizon.enabled / "_2950_xloud.py"
    theirs.write_text("theirs")
    assert run(horizon, "install") == 1
    assert theirs.read_text() == "theirs"
    assert "move them away" in capsys.readouterr().err


def test_install_names_all_that_is_in_its_way_and_changes_nothing(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = horizon.enabled / "_2949_gone.py"
    gone.symlink_to("/old/venv/xloud_dashboard/enabled/_2949_gone.py")
    theirs = [
        horizon.enabled / "_2952_xloud_admin_elastic_hosts.py",
        horizon.local_settings / "_2950_xloud.py",
    ]
    horizon.local_settings.mkdir()
    for path in theirs:
        path.write_text("theirs")
    assert run(horizon, "install") == 1
    said = capsys.readouterr().err
    assert all(str(path) in said for path in theirs)
    assert sorted(horizon.enabled.iterdir()) == [gone, theirs[0]]
    assert list(horizon.local_settings.iterdir()) == theirs[1:]


FOREIGN = [
    "/srv/xloud_dashboard/ours/_60_ours.py",
    "/srv/xloud_dashboard/_60_ours.py",
    "/srv/xloud_dashboard/local_settings.d/_60_ours.py",
    "/srv/enabled/_60_ours.py",
]


@pytest.mark.parametrize("target", FOREIGN)
@pytest.mark.parametrize("name", ["install", "remove"])
def test_link_of_an_operator_is_left_alone(
    horizon: Horizon, programs: FakePrograms, name: str, target: str
) -> None:
    link = horizon.enabled / "_60_ours.py"
    link.symlink_to(target)
    assert run(horizon, name) == 0
    assert str(link.readlink()) == target


def test_install_does_not_replace_a_link_of_an_operator(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    link = horizon.enabled / "_2950_xloud.py"
    link.symlink_to("/srv/xloud_dashboard/ours/_2950_xloud.py")
    assert run(horizon, "install") == 1
    assert str(link.readlink()) == "/srv/xloud_dashboard/ours/_2950_xloud.py"
    assert str(link) in capsys.readouterr().err


def test_install_without_static_says_what_is_left_to_do(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(horizon, "install", "--no-static") == 0
    assert programs.ran == []
    assert "run both before Horizon is used" in capsys.readouterr().out


def test_install_makes_no_bundles_where_horizon_makes_them(
    horizon: Horizon, programs: FakePrograms
) -> None:
    programs.settings["is_offline"] = False
    assert run(horizon, "install") == 0
    assert programs.ran == ["collectstatic"]


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("is_enabled", False, "does not load the plugin"),
        ("policies_error", "x.yaml cannot be read", "does not have the rules of nova-xloud"),
        ("settings_error", "XLOUD_DASHBOARD has the unknown key 'x'", "unknown key 'x'"),
    ],
)
def test_install_and_check_fail_where_horizon_does_not_take_it(
    horizon: Horizon,
    programs: FakePrograms,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    value: object,
    said: str,
) -> None:
    run(horizon, "install", "--no-static")
    programs.settings[setting] = value
    capsys.readouterr()
    assert run(horizon, "install") == 1
    assert said in capsys.readouterr().err
    assert run(horizon, "check") == 1
    assert said in capsys.readouterr().out


def fails_to_collect(programs: FakePrograms) -> None:
    programs.fails = "collectstatic"


def fails_to_compress(programs: FakePrograms) -> None:
    programs.fails = "compress"


def has_wrong_settings(programs: FakePrograms) -> None:
    programs.settings["settings_error"] = "XLOUD_DASHBOARD has the unknown key 'x'"


@pytest.mark.parametrize("spoil", [fails_to_collect, fails_to_compress, has_wrong_settings])
@pytest.mark.parametrize("before", ["nothing", "another version", "a part of this version"])
def test_install_that_fails_leaves_the_links_as_they_were(
    horizon: Horizon,
    programs: FakePrograms,
    capsys: pytest.CaptureFixture[str],
    before: str,
    spoil: Callable[[FakePrograms], None],
) -> None:
    said = "the links are again as they were before this run: Horizon may be restarted"
    if before == "a part of this version":
        next(links.wanted(horizon)).make()
        said = "run this command again, to its end, before Horizon's web server is restarted"
    if before == "another version":
        horizon.local_settings.mkdir()
        for name in ("_2949_gone.py", "_2950_xloud.py"):
            link = horizon.enabled / name
            link.symlink_to(f"/old/venv/xloud_dashboard/enabled/{name}")
    links_before = links_in(horizon)
    spoil(programs)
    assert run(horizon, "install") == 1
    assert links_in(horizon) == links_before
    assert said in capsys.readouterr().err


def test_install_that_fails_with_its_links_there_says_when_not_to_restart(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    run(horizon, "install")
    programs.fails = "compress"
    assert run(horizon, "install") == 1
    said = capsys.readouterr().err
    assert "compress ended with exit code 1" in said
    assert "before Horizon's web server is restarted" in said
    assert links_in(horizon)


def test_install_replaces_a_copy_of_another_version_that_is_newer(
    horizon: Horizon, programs: FakePrograms
) -> None:
    run(horizon, "install")
    copy = Path(str(programs.settings["static_root"])) / "xloud_dashboard" / "size.js"
    copy.write_text("/* of a later version */")
    os.utime(copy, (2**32, 2**32))
    assert run(horizon, "install") == 0
    assert copy.read_text() == SCRIPT


def test_check_finds_nothing_after_install(horizon: Horizon, programs: FakePrograms) -> None:
    run(horizon, "install")
    assert run(horizon, "check") == 0


def test_check_names_each_missing_link(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(horizon, "check") == 1
    said = capsys.readouterr().out
    assert f"wrong: {horizon.enabled / '_2950_xloud.py'} is missing" in said


def test_check_finds_a_file_that_is_older_than_this_version(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    run(horizon, "install")
    (programs.files / "xloud_dashboard" / "size.js").write_text("new")
    assert run(horizon, "check") == 1
    assert "size.js is not the file of this version" in capsys.readouterr().out


def test_check_finds_a_manifest_from_before_the_install(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    run(horizon, "install")
    os.utime(str(programs.settings["manifest"]), (1, 1))
    assert run(horizon, "check") == 1
    assert "is older than the plugin's files" in capsys.readouterr().out


def test_check_finds_bundles_without_the_script(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    run(horizon, "install")
    next((horizon.folder / "static").rglob("output.*.js")).write_text("others")
    assert run(horizon, "check") == 1
    assert "has the plugin's script" in capsys.readouterr().out


def test_check_finds_that_there_is_no_manifest(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    run(horizon, "install")
    Path(str(programs.settings["manifest"])).unlink()
    assert run(horizon, "check") == 1
    assert "OfflineGenerationError" in capsys.readouterr().out


def test_check_finds_that_horizon_or_another_plugin_has_other_scripts(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    programs.settings["bundles_error"] = "every page ends with OfflineGenerationError"
    assert run(horizon, "install") == 0
    assert run(horizon, "check") == 1
    assert "wrong: every page ends with OfflineGenerationError (/" in capsys.readouterr().out


def test_remove_leaves_only_what_others_have(horizon: Horizon, programs: FakePrograms) -> None:
    theirs = horizon.enabled / "_50_theirs.py"
    theirs.touch()
    run(horizon, "install")
    programs.ran.clear()
    assert run(horizon, "remove") == 0
    assert list(horizon.enabled.iterdir()) == [theirs]
    assert list(horizon.local_settings.iterdir()) == []
    assert programs.ran == ["collectstatic", "compress"]


@pytest.mark.parametrize("step", ["collectstatic", "compress"])
def test_remove_is_finished_by_a_second_one_after_a_static_step_failed(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    run(horizon, "install")
    programs.fails = step
    assert run(horizon, "remove") == 1
    said = capsys.readouterr().err
    assert f"{step} ended with exit code 1" in said
    assert "the links are removed: run this command again" in said
    programs.fails = ""
    programs.ran.clear()
    assert run(horizon, "remove") == 0
    assert programs.ran == ["collectstatic", "compress"]
    assert "there is no link of the plugin" in capsys.readouterr().out


def test_remove_without_static_says_what_is_left_to_do(
    horizon: Horizon, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    run(horizon, "install")
    programs.ran.clear()
    assert run(horizon, "remove", "--no-static") == 0
    assert programs.ran == []
    assert "run both before Horizon is used" in capsys.readouterr().out


def test_a_folder_without_horizon_is_an_error_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["check", "--horizon", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "--horizon /usr/share/openstack-dashboard" in said


def test_help_explains_each_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("install   link", "check     change nothing", "remove"))
    assert "exit codes" in said


def test_a_program_that_fails_is_an_error_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match=r"exit code 3.*\n.*the reason"):
        Horizon(tmp_path).run("-c", "import sys; print('the reason', file=sys.stderr); sys.exit(3)")


def test_a_program_that_does_not_end_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(horizon_module, "_TIMEOUT", 0.2)
    with pytest.raises(InstallError, match=r"was ended after 0\.2 seconds"):
        Horizon(tmp_path).run("-c", "import time; time.sleep(30)")
