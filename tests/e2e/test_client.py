"""The real ``openstack`` command, as a person runs it, and the script of the guide."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence

from lab.cloud import Cloud, Size
from lab.layout import Layout
from tests.e2e.conftest import Create
from tests.e2e.sizes import GROWN, MINIMUM, agreed, settle
from tests.guides import script


def run(lab: Layout, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run it in a shell that has sourced the lab's openrc."""
    line = f". {shlex.quote(str(lab.openrc))} && exec {shlex.join(command)}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return subprocess.run(
        ["bash", "-c", line], env=clean, capture_output=True, text=True, timeout=180, check=False
    )


def adjust(lab: Layout, *argv: str) -> subprocess.CompletedProcess[str]:
    return run(lab, [lab.program("openstack"), "server", "adjust", *argv])


def test_up_and_down_and_refused(cloud: Cloud, lab: Layout, server: str) -> None:
    settle(cloud, server, MINIMUM)
    done = adjust(lab, server, "--vcpus", "3", "--memory", "0.75G", "--wait")
    assert done.returncode == 0, done
    *told, last = done.stderr.splitlines()
    stages = [line.split(" s  ")[1].split("  ")[0] for line in told]
    assert stages == ["asked", "claimed", "set"]
    assert last == "set; no guest agent answers to confirm it"
    assert "| outcome    | reached" in done.stdout
    # What it says that the guest has, the guest says too.
    settle(cloud, server, GROWN)

    shown = json.loads(adjust(lab, "show", server, "-f", "json").stdout)
    assert shown["vcpus"] == {**dict.fromkeys(shown["vcpus"], 3), "observed": None}
    assert shown.items() > cloud.xloud_status(server).body["xloud_status"].items()
    listed = json.loads(adjust(lab, "list", "-f", "json", "--host", "compute1").stdout)
    (row,) = (one for one in listed if one["ID"] == server)
    assert (row["vCPUs"], row["Memory MiB"], row["Converged"]) == (3, 768, True)

    refused = adjust(lab, server, "--vcpus", "33")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "xloud.out_of_bounds" in refused.stderr
    assert adjust(lab, server, "--memory", "1GB").returncode == 2

    done = adjust(lab, server, "--vcpus", "1", "--memory", "512", "--wait", "-f", "json")
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["outcome"] == "reached"
    settle(cloud, server, MINIMUM)


def test_an_agent_sees_it_in_the_guest(cloud: Cloud, lab: Layout, create: Create) -> None:
    server = create("xloud.demo", "xloud-agent")
    settle(cloud, server, MINIMUM)
    done = adjust(lab, server, "--vcpus", "3", "--memory", "768", "--wait", "-f", "json")
    assert done.returncode == 0, done
    assert done.stderr.splitlines()[-1].endswith("seen in the guest")
    vcpus = json.loads(done.stdout)["vcpus"]
    assert vcpus == dict.fromkeys(vcpus, 3)


def test_a_guest_that_does_not_follow(cloud: Cloud, lab: Layout, create: Create) -> None:
    server = create("xloud.demo", "xloud-no-balloon")
    done = adjust(lab, server, "--vcpus", "2", "--memory", "640", "--wait", "-f", "json")
    assert done.returncode == 5, done
    assert "xloud.guest_refused.no_statistics" in done.stderr
    held = json.loads(done.stdout)["memory_mb"]
    # Without a driver nobody can tell what the guest has.
    assert (held["reserved"], held["observed"]) == (1024, None)
    assert cloud.claimed(server) == Size(2, 1024)


def test_the_script_of_the_guide(cloud: Cloud, lab: Layout, server: str) -> None:
    done = run(lab, [sys.executable, "-c", script("docs/client.md"), server])
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout == f"{server} has 2 vCPUs, 768 MiB\n"
    grown = agreed(Size(2, 768))
    assert cloud.settle(server, grown) == grown
