"""Reads the metrics of each nova-compute, as Prometheus does: their series, and what has grown."""

import urllib.request

from lab.layout import Compute, Layout
from lab.services import nova

SCRAPE_SECONDS = 30
# The label of series that are of one server.
OF_A_SERVER = 'instance_uuid="'
# Requests of automatic growth that were admitted.
CHANGES = "nova_xloud_autoscale_changes_total{"


def scrape(layout: Layout, compute: Compute) -> str:
    """Return the metrics of one nova-compute as text.

    :raises OSError: it does not answer
    """
    url = f"http://127.0.0.1:{nova.metrics_port(layout, compute)}/metrics"
    with urllib.request.urlopen(url, timeout=SCRAPE_SECONDS) as answer:
        text: str = answer.read().decode()
    return text


def series(layout: Layout) -> dict[str, int]:
    """Return how many series of nova-xloud all hosts have, and what automatic growth has changed.

    The series are those of servers, and all others.
    """
    lines = [
        line
        for compute in layout.computes
        for line in scrape(layout, compute).splitlines()
        if line.startswith("nova_xloud")
    ]
    of_servers = sum(OF_A_SERVER in line for line in lines)
    return {
        "series of servers in the metrics": of_servers,
        "other series of the metrics": len(lines) - of_servers,
        "changes by automatic growth": sum(
            int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(CHANGES)
        ),
    }
