"""A RabbitMQ and a Placement for measures, each a process of its own, as the lab starts them.

They have a state folder of their own and ports that nobody has, so that a lab may run beside them.
"""

import contextlib
import pathlib
import socket
import tempfile
from dataclasses import dataclass

from lab import layout as lab_layout
from lab import processes
from lab.services import config, database, rabbitmq, web


@dataclass(frozen=True)
class Servers:
    """What to ask.

    :ivar placement: the URL of a Placement that takes any token for an administrator's
    :ivar transport: of RabbitMQ, for oslo.messaging; ``fake:/`` where it was not wanted
    """

    placement: str
    transport: str


@contextlib.contextmanager
def running(*, with_rabbitmq=True):
    """Both for as long as the block lasts, empty at first."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        names = ("placement", "rabbitmq", "rabbitmq_dist", "epmd")
        lab = lab_layout.Layout(pathlib.Path(folder), dict(zip(names, _free_ports(), strict=False)))
        lab.make_folders()
        database.install_plugin(lab.site)
        daemons = [_placement(lab)]
        if with_rabbitmq:
            rabbitmq.configure(lab)
            daemons += rabbitmq.daemons(lab)
        try:
            processes.start(lab, daemons)
            transport = config.messaging(lab) if with_rabbitmq else "fake:/"
            yield Servers(lab.url("placement"), transport)
        finally:
            processes.stop(lab, [one.name for one in reversed(daemons)])
            processes.end_processes(processes.marked(lab))


def _free_ports():
    """Ports that nobody listens on; never the usual ones, which the lab may want."""
    taken = set(lab_layout.USUAL_PORTS.values())
    while True:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        if port not in taken:
            taken.add(port)
            yield port


def _placement(lab):
    """The lab's, without Keystone."""
    folder = lab.etc / "placement"
    settings = config.write(
        folder / "placement.conf",
        {
            "placement_database": {"connection": database.connection(lab, "placement")},
            "api": {"auth_strategy": "noauth2"},
        },
    )
    command = [lab.program("placement-manage"), "--config-file", str(settings), "db", "sync"]
    database.create_once(
        lab,
        "openstack-placement",
        ("placement",),
        lambda: processes.run_command(lab, "placement-manage", command),
    )
    return web.daemon(
        lab,
        "placement",
        "placement.wsgi.api:application",
        port="placement",
        environment={"OS_PLACEMENT_CONFIG_DIR": str(folder)},
        made_of=[settings],
    )
