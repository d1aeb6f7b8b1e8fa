"""A cloud for the load of a soak run, without a lab."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lab.cloud import Answer
from lab.errors import LabError
from lab.soak.asking import Asking
from lab.soak.tally import Tally


def asking(cloud: Any) -> Asking:
    """Return what sends a seat's requests to ``cloud``."""
    return Asking(cloud, Tally())


class Cloud:
    """A cloud that does all that it is asked for, unless a test has it answer otherwise."""

    def __init__(self) -> None:
        computes = [SimpleNamespace(hostname=name) for name in ("one", "other")]
        self.layout = SimpleNamespace(computes=computes, instances=Path("no guest says anything"))
        self.servers: dict[str, dict[str, Any]] = {}
        self.statuses: dict[str, int] = {}
        self.sent: list[Any] = []

    def ask_for_server(self, name: str, flavor: str, image: str, host: str | None) -> Answer:
        server = f"server-{len(self.sent)}"
        self.sent.append("create")
        self.servers[server] = {"status": "ACTIVE", "OS-EXT-STS:task_state": None, "host": "one"}
        return self._answer("create", 202, {"server": {"id": server}})

    def call(self, method: str, path: str) -> Answer:
        server = path.rpartition("/")[2]
        if method == "DELETE":
            self.sent.append("delete")
            self.servers.pop(server)
            return self._answer("delete", 204)
        if server not in self.servers:
            return Answer(404, None, {})
        return self._answer("show", 200, {"server": self.servers[server]})

    def act(self, server: str, action: str, arguments: object = None) -> Answer:
        self.sent.append(action)
        becomes = {"os-stop": "SHUTOFF", "pause": "PAUSED"}.get(action, "ACTIVE")
        self.servers[server]["status"] = becomes
        if action == "os-migrateLive" and isinstance(arguments, dict):
            self.servers[server]["host"] = arguments["host"]
        return self._answer(action, 202)

    def adjust(self, server: str, body: object) -> Answer:
        self.sent.append(body)
        return self._answer("adjust", 202 if server in self.servers else 404)

    def xloud_status(self, server: str) -> Answer:
        return self._answer("status", 200)

    def host(self, server: str) -> str:
        return str(self.servers[server]["host"])

    def wait_status(self, server: str, wanted: str, seconds: float) -> None:
        if self.servers[server]["status"] != wanted:
            raise LabError(f"{server} is in ERROR")

    def wait(self, what: str, probe: Any, seconds: float) -> None:
        assert probe()

    def _answer(self, what: str, status: int, body: object = None) -> Answer:
        if what in self.statuses:
            return Answer(self.statuses[what], None, {})
        return Answer(status, body, {})
