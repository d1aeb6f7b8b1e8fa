# SPDX-License-Identifier: Apache-2.0
"""Fault points: each is in the code, they are off unless a variable is set, and then they kill."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nova_xloud import fault_points
from nova_xloud.core.checks import services
from nova_xloud.rpc.about import AboutEndpoint

PACKAGE = Path(fault_points.__file__).parent
REACH = "from nova_xloud.fault_points import reached; reached('admit.claimed'); print('alive')"


def in_the_code() -> list[str]:
    """The argument of each call of ``reached`` in the package."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "reached":
                (argument,) = node.args
                assert isinstance(argument, ast.Constant), (path, ast.unparse(node))
                found.append(argument.value)
    return found


def process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: v for name, v in os.environ.items() if name != fault_points.VARIABLE}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_each_named_point_is_in_the_code_once_and_no_other_is() -> None:
    assert sorted(in_the_code()) == sorted(fault_points.POINTS)


def test_points_are_off_without_the_variable(tmp_path: Path) -> None:
    (tmp_path / "admit.claimed").touch()
    ended = process(f"import os; os.chdir({str(tmp_path)!r}); {REACH}")
    assert (ended.returncode, ended.stdout) == (0, "alive\n")
    assert (tmp_path / "admit.claimed").exists()


def test_a_point_that_is_off_touches_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault_points, "_FOLDER", "")
    monkeypatch.setattr(fault_points, "_kill_if_armed", lambda file: pytest.fail(str(file)))
    fault_points.reached("admit.claimed")
    assert fault_points.folder() is None
    assert AboutEndpoint(dict).about(None)["result"]["options"] == {}


def test_a_point_that_is_not_armed_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "step.released").touch()
    ended = process(REACH, **{fault_points.VARIABLE: str(tmp_path)})
    assert (ended.returncode, ended.stdout) == (0, "alive\n")
    assert (tmp_path / "step.released").exists()


def test_an_armed_point_kills_the_process_once(tmp_path: Path) -> None:
    (tmp_path / "admit.claimed").touch()
    on = {fault_points.VARIABLE: str(tmp_path)}
    assert process(REACH, **on).returncode == -signal.SIGKILL
    assert process(REACH, **on).returncode == 0


def test_a_service_with_points_on_says_so_in_its_log_and_over_rpc(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fault_points, "_FOLDER", "/lab/points")
    fault_points.warn_if_on()
    (said,) = caplog.records
    assert said.levelname == "CRITICAL"
    assert "NOVA_XLOUD_FAULT_POINT is set to /lab/points" in said.message
    about = AboutEndpoint(dict).about(None)["result"]
    assert about["options"] == {services.FAULT_POINTS: "/lab/points"}
    assert services.FAULT_POINTS == fault_points.VARIABLE


def test_nothing_is_logged_while_points_are_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fault_points, "_FOLDER", "")
    fault_points.warn_if_on()
    assert not caplog.records
