"""The lab itself: it can be brought up again, and what it tells people to paste works."""

import json
import subprocess

from lab import by_hand, lifecycle, processes
from lab.cloud import Cloud
from lab.layout import Layout
from tests.e2e import checker


def test_up_again_restarts_nothing(cloud: Cloud, lab: Layout) -> None:
    before = {name: record.pid for name, record in processes.running(lab).items()}
    lifecycle.up(lab)
    after = {name: record.pid for name, record in processes.running(lab).items()}
    assert after == before
    assert {"nova-api", "nova-compute-compute1", "libvirtd-compute2"} <= after.keys()


def test_lines_by_hand_work_as_pasted(cloud: Cloud, lab: Layout) -> None:
    cloud.delete_named("by-hand")
    script = "set -eo pipefail\n" + "\n".join(by_hand.lines(lab))
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "seen in the guest" in done.stderr
    assert "desired 768, reserved 768, actuated 768, observed 768" in done.stdout
    assert "xloud-guest: cpus_online=" in done.stdout
    assert "xloud_adjust" in done.stdout
    assert not list(cloud.connection.compute.servers(name="^by-hand$"))


def test_invariants_can_be_checked_by_hand(cloud: Cloud, lab: Layout) -> None:
    done = subprocess.run(
        [lab.program("nova-xloud-status"), *checker.command(lab)],
        env=processes.daemon_environment(lab),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "0 broken" in done.stdout) == (0, True), done


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
    assert len(checks) == 10
    assert {check["result"] for check in checks.values()} == {0}
    for compute in lab.computes:
        assert compute.hostname in checks["nova-compute"]["details"]
