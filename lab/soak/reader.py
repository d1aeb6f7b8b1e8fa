"""Reads while servers change, as clients, dashboards and Prometheus do."""

import random
import subprocess
from collections.abc import Callable

from lab.cloud import Answer, Cloud
from lab.layout import Layout
from lab.processes import daemon_environment
from lab.soak.asking import Asking
from lab.soak.metrics import scrape
from lab.soak.tally import Tally

COMMAND_SECONDS = 120
# Of so many turns the openstack command is run in one: it takes seconds of a core.
TURNS_A_COMMAND = 60


class Reader:
    """Reads at random what there is to read.

    :param servers: returns the servers that there are now
    """

    def __init__(
        self, seed: int, cloud: Cloud, tally: Tally, servers: Callable[[], list[str]]
    ) -> None:
        self._chance = random.Random(f"{seed}/reader")
        self._cloud = cloud
        self._tally = tally
        self._asking = Asking(cloud, tally)
        self._servers = servers
        self._turn = 0

    def play(self) -> None:
        """Read something once."""
        self._turn += 1
        if self._turn % TURNS_A_COMMAND == 0:
            self._run_command()
            return
        self._chance.choice([self._status, self._status, self._list, self._sdk, self._scrape])()

    def _status(self) -> None:
        if servers := self._servers():
            server = self._chance.choice(servers)
            # The server may have been deleted since.
            self._asking.ask("status", {200, 404}, lambda: self._cloud.xloud_status(server))

    def _list(self) -> None:
        self._asking.ask(
            "list servers", {200}, lambda: self._cloud.call("GET", "/servers/detail?all_tenants=1")
        )

    def _sdk(self) -> None:
        def listed() -> Answer:
            list(self._cloud.connection.compute.servers(all_projects=True))
            list(self._cloud.connection.compute.flavors())
            return Answer(200, None, {})

        self._asking.ask("list by the SDK", {200}, listed)

    def _scrape(self) -> None:
        compute = self._chance.choice(self._cloud.layout.computes)
        self._tally.add(scrapes=1)
        scrape(self._cloud.layout, compute)
        self._tally.answered("scrape", 200)

    def _run_command(self) -> None:
        layout = self._cloud.layout
        command = ["server", "adjust", "list", "--all-projects", "-f", "json"]
        done = subprocess.run(
            [layout.program("openstack"), *command],
            env={**daemon_environment(layout), **_credentials(layout)},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        self._tally.add(requests=1)
        self._tally.answered("openstack server adjust list", done.returncode)
        if done.returncode:
            self._tally.fail(
                f"openstack server adjust list: {done.returncode}: {done.stderr[-300:]}"
            )


def _credentials(layout: Layout) -> dict[str, str]:
    """Return the variables of the lab's openrc that begin with ``OS_``."""
    lines = (line.removeprefix("export ") for line in layout.openrc.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line.startswith("OS_"))
    return {name: value for name, _, value in pairs}
