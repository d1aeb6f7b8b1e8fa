"""``lab/dashboard/setup`` with a Python that is faked: what is left after each way to end."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Both "python3 -m venv" and the Python that it makes. The file "broken" names what fails.
PYTHON = """#!/bin/bash
echo "$*" >>"$LAB_STATE/asked"
if [[ -e $LAB_STATE/broken && $* == *"$(cat "$LAB_STATE/broken")"* ]]; then
  echo "no network" >&2
  exit 1
fi
if [[ $2 == venv ]]; then
  mkdir -p "${!#}/bin"
  cp "$0" "${!#}/bin/python"
fi
"""


class Setup:
    """A copy of the script and of what it reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        for name in ("lab/dashboard/setup", "lab/release", "pyproject.toml"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        shutil.copytree(ROOT / "constraints", folder / "constraints")
        (folder / "bin").mkdir()
        (folder / "bin" / "python3").write_text(PYTHON)
        (folder / "bin" / "python3").chmod(0o755)
        self.state.mkdir()

    def run(self, release: str = "", broken: str = "") -> subprocess.CompletedProcess[str]:
        (self.state / "asked").write_text("")
        (self.state / "broken").unlink(missing_ok=True)
        if broken:
            (self.state / "broken").write_text(broken)
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            [self.folder / "lab" / "dashboard" / "setup"],
            env={"PATH": path, "RELEASE": release, "LAB_STATE": str(self.state)},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def installs(self) -> list[str]:
        """What pip was asked to install in the last run."""
        asked = (self.state / "asked").read_text().splitlines()
        return [line for line in asked if line.startswith("-m pip install")]


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def test_newest_release_has_the_folder_without_a_number(setup: Setup) -> None:
    assert setup.run().stdout == ".venv-dashboard\n"
    assert setup.run("34").stdout == ".venv-dashboard\n"
    assert setup.run("31").stdout == ".venv-dashboard-31.3\n"


def test_second_run_asks_pip_for_nothing(setup: Setup) -> None:
    setup.run("29.4")
    (asked,) = setup.installs
    assert "horizon==24.0.2 XStatic-Font-Awesome<6 " in asked
    setup.run("29.4")
    assert setup.installs == []


def test_pip_that_failed_is_asked_again(setup: Setup) -> None:
    failed = setup.run(broken="pip install")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "no network" in failed.stderr
    assert not (setup.folder / ".venv-dashboard" / ".setup-stamp").exists()
    assert setup.run().returncode == 0
    assert len(setup.installs) == 1


def test_failed_renewal_is_not_taken_for_the_environment_before(setup: Setup) -> None:
    setup.run()
    (setup.folder / "constraints" / "horizon.txt").write_text("34.0 28.0.0\n")
    assert setup.run(broken="pip install").returncode == 1
    setup.run()
    assert "horizon==28.0.0" in setup.installs[0]


def test_environment_without_pip_is_made_again(setup: Setup) -> None:
    assert setup.run(broken="-m pip").returncode == 1
    assert setup.run(broken="pip --version").returncode == 0
    assert "-m venv --clear .venv-dashboard" in (setup.state / "asked").read_text()


def test_release_without_a_horizon_is_named(setup: Setup) -> None:
    (setup.folder / "constraints" / "horizon.txt").write_text("34.0 27.0.0\n")
    failed = setup.run("31.3")
    assert failed.returncode == 2
    assert "no Horizon for Nova 31.3" in failed.stderr
