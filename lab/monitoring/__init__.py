"""A real Prometheus beside the cloud: Debian's package, unpacked and not installed.

``lab/run metrics`` starts Prometheus and adjusts some servers for 150 s. It then draws the panels
of the dashboard from what Prometheus has scraped, as docs/images/metrics.png. ``lab/run down``
stops Prometheus.
"""

import itertools
import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
import venv
from pathlib import Path
from typing import Any

from lab import contents, processes
from lab.cloud import Cloud, Size
from lab.guest import packages
from lab.layout import REPOSITORY, Layout
from lab.processes import Daemon
from lab.progress import Progress
from lab.services import nova

DASHBOARD = REPOSITORY / "deploy" / "grafana" / "nova-xloud.json"
ALERTS = REPOSITORY / "deploy" / "prometheus" / "alerts.yml"
PICTURE = REPOSITORY / "docs" / "images" / "metrics.png"

SERVER = "xloud-metrics"
SECONDS = 150
STEP = 3
SIZES = (Size(3, 768), Size(4, 1024), Size(2, 640), Size(1, 512))


def program(lab: Layout, name: str) -> Path:
    """Return the path of ``prometheus`` or ``promtool``; download the package at the first call."""
    folder = packages.ensure_unpacked(lab, lab.cache / "prometheus", ["prometheus"])
    return folder / "usr" / "bin" / name


def daemon(lab: Layout) -> Daemon:
    """Return the daemon of a Prometheus that scrapes the computes, and write its configuration.

    The configuration has the alerts of this repository.
    """
    folder = lab.etc / "prometheus"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ALERTS, folder / ALERTS.name)
    settings = folder / "prometheus.yml"
    targets = [
        {"targets": [f"127.0.0.1:{nova.metrics_port(lab, one)}"], "labels": {"host": one.hostname}}
        for one in lab.computes
    ]
    job = {"job_name": "nova-xloud", "static_configs": targets}
    # YAML is a superset of JSON.
    settings.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "2s", "evaluation_interval": "5s"},
                "rule_files": [ALERTS.name],
                "scrape_configs": [job],
            }
        )
    )
    return Daemon(
        name="prometheus",
        command=[
            str(program(lab, "prometheus")),
            f"--config.file={settings}",
            f"--storage.tsdb.path={lab.state / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{lab.ports['prometheus']}",
        ],
        healthy=lambda: _ready(lab),
        made_of=[settings, ALERTS],
        port=lab.ports["prometheus"],
    )


def _ready(lab: Layout) -> bool:
    with urllib.request.urlopen(lab.url("prometheus", "/-/ready"), timeout=5) as answer:
        return bool(answer.status == 200)


def query_range(lab: Layout, expression: str, start: float, end: float) -> list[dict[str, Any]]:
    """Return the answer of Prometheus to a range query, one value for each ``STEP`` seconds.

    It is ``[{"metric": {label: value}, "values": [[time, "1"], ...]}, ...]``.

    :param start: seconds since 1970, as ``end``
    """
    asked = {"query": expression, "start": start, "end": end, "step": STEP}
    url = lab.url("prometheus", "/api/v1/query_range?" + urllib.parse.urlencode(asked))
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def run(lab: Layout) -> None:
    """Start Prometheus, adjust some servers, and draw the metrics that Prometheus has scraped."""
    progress = Progress()
    with progress.step("prometheus"):
        processes.start(lab, [daemon(lab)])
    began = time.time()
    with progress.step(f"servers adjusted for {SECONDS} s"):
        _have_something_to_see(lab)
    with progress.step(f"drawn: {PICTURE}"):
        _draw(lab, began, time.time())
    progress.say(f"Prometheus runs on at {lab.url('prometheus')}")


def _have_something_to_see(lab: Layout) -> None:
    cloud = Cloud(lab)
    hosts = itertools.cycle(compute.hostname for compute in lab.computes)
    servers = [cloud.create(SERVER, contents.DEMO.name, host=next(hosts)) for _ in range(3)]
    until = time.monotonic() + SECONDS
    try:
        for number, server in enumerate(itertools.cycle(servers)):
            if time.monotonic() > until:
                break
            cloud.resize(server, SIZES[number // len(servers) % len(SIZES)])
            if number % 7 == 6:
                # Refused: the size is above the server's maximum.
                cloud.resize(server, Size(99, 1024))
            if number % 12 == 11:
                _plug_one_by_hand(cloud, server)
            time.sleep(4)
    finally:
        cloud.delete_named(SERVER)


def _plug_one_by_hand(cloud: Cloud, server: str) -> None:
    """Set the balloon target to 768 MiB without Nova, as with virsh; the next pass repairs that."""
    with cloud.domain(server) as domain:
        if domain is not None:
            domain.setMemoryFlags(768 * 1024, 1)


def _draw(lab: Layout, start: float, end: float) -> None:
    panels = [
        {
            "title": panel["title"],
            "type": panel["type"],
            "unit": panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "short"),
            "series": [
                {
                    "name": _legend(target.get("legendFormat", ""), one["metric"]),
                    "values": one["values"],
                }
                for target in panel["targets"]
                for one in query_range(lab, _filled(target["expr"]), start, end)
            ],
        }
        for panel in json.loads(DASHBOARD.read_text())["panels"]
    ]
    drawn = json.dumps({"panels": panels, "start": start, "picture": str(PICTURE)})
    python = _with_matplotlib(lab)
    picture = Path(__file__).with_name("picture.py")
    subprocess.run([str(python), str(picture)], input=drawn, text=True, check=True, timeout=300)


def _filled(expression: str) -> str:
    """Return a query with Grafana's variables replaced, as if everything were chosen."""
    chosen = {"$__rate_interval": "30s", "$host": ".*", "$project": ".*", "$server": ".+"}
    for variable, value in chosen.items():
        expression = expression.replace(variable, value)
    return expression


def _legend(template: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        template = template.replace("{{" + name + "}}", value[:8] if "uuid" in name else value)
    return template


def _with_matplotlib(lab: Layout) -> Path:
    """Return the Python of an environment with matplotlib, which nothing else in the lab needs."""
    folder = lab.cache / "matplotlib"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        venv.create(folder, with_pip=True, clear=True)
        install = ["-m", "pip", "install", "-q", "matplotlib==3.10.*"]
        subprocess.run([str(python), *install], check=True, timeout=600)
        (folder / "done").touch()
    return python
