"""The lab itself: it can be brought up again, and what it tells people to paste works."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from lab import by_hand, lifecycle, processes
from lab.cloud import Cloud
from lab.layout import Layout


def test_up_again_restarts_nothing(cloud: Cloud, lab: Layout) -> None:
    before = {name: record.pid for name, record in processes.running(lab).items()}
    lifecycle.up(lab)
    after = {name: record.pid for name, record in processes.running(lab).items()}
    assert after == before
    assert {"nova-api", "nova-compute-compute1", "libvirtd-compute2"} <= after.keys()


def paste(*lines: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a new shell in that folder does with the lines; it ends at the first that fails."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    typed = "\n".join(("set -eo pipefail", *lines, ""))
    return subprocess.run(
        ["bash"],
        input=typed,
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_every_indented_line_that_the_demo_ends_with_is_pasted_here(lab: Layout) -> None:
    shown = [line[2:] for line in by_hand.text(lab).splitlines() if line.startswith("  ")]
    pasted = [*by_hand.lines(lab), *by_hand.checks(lab), by_hand.lab_run(lab, "down")]
    assert shown == pasted


def test_lines_by_hand_work_as_pasted(cloud: Cloud, lab: Layout, tmp_path: Path) -> None:
    cloud.delete_named(by_hand.SERVER)
    done = paste(*by_hand.lines(lab), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("set; no guest agent answers to confirm it") == 2
    assert "desired 768, reserved 768, actuated 768, observed 768" in done.stdout
    assert "xloud-guest: cpus_online=" in done.stdout
    assert "xloud_adjust" in done.stdout
    assert not list(cloud.connection.compute.servers(name=f"^{by_hand.SERVER}$"))


@pytest.mark.usefixtures("cloud")
def test_both_checks_work_as_pasted_each_alone(lab: Layout, tmp_path: Path) -> None:
    ready, true = (paste(line, folder=tmp_path) for line in by_hand.checks(lab))
    assert (ready.returncode, "Failure" in ready.stdout) == (0, False), ready
    assert (true.returncode, "0 broken" in true.stdout) == (0, True), true


@pytest.mark.usefixtures("cloud")
def test_the_line_that_stops_the_lab_is_for_this_lab(lab: Layout, tmp_path: Path) -> None:
    """Pasted with another command: others need the lab."""
    line = by_hand.lab_run(lab, "down")
    done = paste(line.removesuffix("down") + "status", folder=tmp_path)
    assert (done.returncode, str(lab.state) in done.stdout) == (0, True), done


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    "command",
    [
        "nova-manage {} cell_v2 list_hosts",
        "nova-status {} upgrade check",
        "nova-xloud-run nova-manage {} placement heal_allocations --dry-run",
    ],
)
def test_commands_of_nova_read_the_labs_nova_conf(
    lab: Layout, tmp_path: Path, command: str
) -> None:
    source = by_hand.lines(lab)[0]
    line = command.format(shlex.join(by_hand.configuration(lab)))
    done = paste(f"{source} && {line}", folder=tmp_path)
    # nova-status warns (1) of a cloud without Cinder; heal_allocations has nothing to do (4).
    assert done.returncode in (0, 1, 4), done
    assert "Traceback" not in done.stdout + done.stderr


def test_it_is_ready_says_the_upgrade_check(cloud: Cloud, lab: Layout) -> None:
    settings = str(lab.etc / "nova" / "nova.conf")
    done = subprocess.run(
        [lab.program("nova-xloud-status"), "upgrade", "check", "--json", "--config-file", settings],
        env=processes.daemon_environment(lab),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    assert len(checks) == 11
    assert {check["result"] for check in checks.values()} == {0}
    for compute in lab.computes:
        assert compute.hostname in checks["nova-compute"]["details"]
