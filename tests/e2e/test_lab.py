"""The lab itself: it can be brought up again, and what it tells people to paste works."""

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
    assert "202 Accepted" in done.stdout
    assert '"current_vcpus"' in done.stdout
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
