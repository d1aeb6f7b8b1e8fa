"""The demo of the dashboard: servers whose sizes are worth a look, and where to look at them.

The servers stay, and the dashboard too. Everything it prints can be done by mouse alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lab import by_hand, contents, dashboard, monitoring, processes
from lab.cloud import Cloud, Size
from lab.errors import LabError
from lab.layout import Layout
from lab.progress import Progress

PROJECT = "demo"


@dataclass(frozen=True)
class Shown:
    """A server of the demo.

    :ivar asked: what is asked for once it runs; None: it stays as it booted
    :ivar about: what there is to see, in a sentence
    """

    name: str
    image: str
    asked: Size | None
    about: str


SERVERS: Sequence[Shown] = (
    Shown("web1", "xloud-agent", None, "grow it"),
    Shown("web2", "xloud-agent", Size(4, 1536), "its guest has an agent, which confirms the size"),
    Shown(
        "stubborn",
        "xloud-no-balloon",
        Size(1, 1024),
        "has no balloon driver, so its memory does not change; the page says what to do",
    ),
)


def run(lab: Layout) -> int:
    """Start Prometheus and the dashboard, make the servers, and say where to look.

    A server that runs from the last time stays as it is. One that does not run is made anew.

    :raises LabError: a server does not start, or its size is refused
    """
    progress = Progress()
    with progress.step("prometheus, for the charts of the last hour"):
        processes.start(lab, [monitoring.daemon(lab)])
    address = dashboard.start(lab)
    cloud = Cloud(lab)
    told: list[str] = []
    for shown in SERVERS:
        with progress.step(f"server {shown.name}") as step:
            server_id = _ensure(lab, cloud, shown)
            desired = _desired(cloud, server_id)
            step.note(desired)
        told += [
            f"  {shown.name:<9} {desired}; {shown.about}",
            f"            {page(lab, server_id)}",
        ]
    print(f"\n{_text(lab, address, told)}")
    return 0


def page(lab: Layout, server_id: str) -> str:
    """Return the address of a server's page in the dashboard Admin, with the tab Size open."""
    path = f"/admin/instances/{server_id}/detail?tab=instance_details__xloud_size"
    return dashboard.url(lab, path)


def _ensure(lab: Layout, admin: Cloud, shown: Shown) -> str:
    owner = Cloud(lab, "demo", PROJECT)
    found = next(iter(owner.connection.compute.servers(name=f"^{shown.name}$")), None)
    if found is not None and found.status == "ACTIVE":
        return str(found.id)
    owner.delete_named(shown.name)
    server_id = owner.create(shown.name, contents.WEB.name, shown.image)
    if shown.asked is not None:
        answer = admin.resize(server_id, shown.asked)
        if answer.status != 202:
            raise LabError(f"{shown.name} was not adjusted to {shown.asked}: {answer.message}")
    return server_id


def _desired(admin: Cloud, server_id: str) -> str:
    told = admin.xloud_status(server_id).body["xloud_status"]
    vcpus, memory_mb = told["vcpus"]["desired"], told["memory_mb"]["desired"]
    return f"{vcpus} vCPU{'s' if vcpus != 1 else ''}, {memory_mb} MiB"


def _text(lab: Layout, address: str, told: Sequence[str]) -> str:
    servers = "\n".join(told)
    return f"""\
The dashboard: {address}
  user name admin, password {lab.password}
  (user name demo is a member of the project, who by default may look and not adjust)

By mouse alone: log in; Admin, Compute, Instances; click on web1; the tab Size; move a handle, and
read below it what would happen; Apply. The four lamps say how far it is. Or open one of these:

{servers}

  all servers of the project, as user demo: {dashboard.url(lab, "/project/elastic_servers/")}
  what is promised on each host: {dashboard.url(lab, "/admin/elastic_hosts/")}

{by_hand.limit(contents.WEB)}

Stop it:

  {by_hand.lab_run(lab, "down")}"""
