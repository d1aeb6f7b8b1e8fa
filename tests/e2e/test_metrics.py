"""The two computes as Prometheus targets, and one request id through the real log files."""

import re
import subprocess
import time
import urllib.request
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from lab import contents, monitoring
from lab.cloud import Cloud, Size
from lab.layout import Compute, Layout
from lab.patience import Patience
from lab.services import nova
from tests.e2e.sizes import GROWN, settle

MIB = 2**20
FOUR = ("desired", "reserved", "actuated", "observed")


def scrape(lab: Layout, compute: Compute) -> str:
    url = f"http://127.0.0.1:{nova.metrics_port(lab, compute)}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def numbers(lab: Layout, compute: Compute, server: str, name: str) -> dict[str, float]:
    return {
        sample.labels["kind"]: sample.value
        for family in text_string_to_metric_families(scrape(lab, compute))
        for sample in family.samples
        if sample.name == name and sample.labels["instance_uuid"] == server
    }


def wait(what: Callable[[], bool], seconds: float = 30) -> None:
    patience = Patience(seconds)
    while not what():
        assert not patience.is_over(), what
        time.sleep(0.5)


def test_the_four_numbers_of_a_real_server_until_it_is_deleted(
    cloud: Cloud, lab: Layout, server: str
) -> None:
    size = GROWN
    here, elsewhere = lab.computes
    assert cloud.resize(server, size).status == 202
    settle(cloud, server, size)
    # Its guest has no agent, so nobody has seen what it uses.
    vcpus = dict.fromkeys(FOUR[:3], 3) | {"maximum": contents.DEMO.vcpus}
    memory = dict.fromkeys(FOUR, 768 * MIB) | {"maximum": 1024 * MIB}
    # The run that brings it there may not have read it yet.
    wait(lambda: numbers(lab, here, server, "nova_xloud_instance_vcpus") == vcpus)
    wait(lambda: numbers(lab, here, server, "nova_xloud_instance_memory_bytes") == memory)
    assert server not in scrape(lab, elsewhere)
    cloud.delete(server)
    wait(lambda: server not in scrape(lab, here))


def test_promtool_has_nothing_to_say_against_a_scrape(lab: Layout) -> None:
    promtool = str(monitoring.program(lab, "promtool"))
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=scrape(lab, lab.computes[0]),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_promtool_takes_the_alerts_and_their_tests(lab: Layout) -> None:
    promtool = str(monitoring.program(lab, "promtool"))
    for what in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(
            [promtool, *what], cwd=monitoring.ALERTS.parent, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_one_request_id_tells_the_whole_story(cloud: Cloud, lab: Layout, server: str) -> None:
    size = Size(2, 640)
    answer = cloud.resize(server, size)
    request = answer.headers["x-openstack-request-id"]

    def story() -> list[tuple[str, str]]:
        logs = ["nova-api", lab.computes[0].daemon("nova-compute")]
        return [
            (name, line)
            for name in logs
            for line in (lab.logs / f"{name}.log").read_text().splitlines()
            if request in line
        ]

    wait(lambda: any("has reached its desired size" in line for _, line in story()))
    expected = [
        ("nova-api", "INFO .*is asked for vcpus=2 memory_mb=640"),
        ("nova-compute-compute1", r"INFO .*desired is 2 vCPUs, 640 MiB \(generation \d+\)"),
        ("nova-compute-compute1", "INFO .*balloon target set to 640 MiB"),
        ("nova-compute-compute1", "INFO .*vCPUs in QEMU set to 2"),
        ("nova-compute-compute1", "INFO .*has reached its desired size"),
    ]
    told = story()
    for where, what in expected:
        assert any(name == where and re.search(what, line) for name, line in told), (what, told)
    assert not any("Traceback" in line for _, line in told)
