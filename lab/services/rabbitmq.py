"""RabbitMQ of Debian's package, run as the lab's own daemon, with its data in the lab's folder.

The port mapper (epmd), which Erlang would otherwise start for the whole machine and leave behind,
is a daemon of the lab on a port of its own.
"""

import socket

from lab.layout import Layout
from lab.processes import Daemon
from lab.services import config

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME = 1


def configure(layout: Layout) -> None:
    """Write the configuration files of RabbitMQ."""
    folder = layout.etc / "rabbitmq"
    settings = {
        "listeners.tcp.local": f"127.0.0.1:{layout.ports['rabbitmq']}",
        "default_user": "lab",
        "default_pass": layout.password,
        "disk_free_limit.absolute": "100MB",
        "log.console": "true",
        "log.console.level": "warning",
        "log.file": "false",
    }
    text = "".join(f"{key} = {value}\n" for key, value in settings.items())
    config.write_text(folder / "rabbitmq.conf", text)
    config.write_text(folder / "enabled_plugins", "[].\n")
    for name in ("home", "mnesia", "log"):
        (layout.state / "rabbitmq" / name).mkdir(parents=True, exist_ok=True)


def daemons(layout: Layout) -> list[Daemon]:
    """Return the daemons of RabbitMQ."""
    ports, data, folder = layout.ports, layout.state / "rabbitmq", layout.etc / "rabbitmq"
    mapper = {"ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(ports["epmd"])}
    environment = {
        **mapper,
        "HOME": str(data / "home"),
        "RABBITMQ_NODENAME": "rabbit@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(ports["rabbitmq"]),
        "RABBITMQ_DIST_PORT": str(ports["rabbitmq_dist"]),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(data / "mnesia"),
        "RABBITMQ_LOG_BASE": str(data / "log"),
        "RABBITMQ_PID_FILE": str(data / "pid"),
        # The schedulers do not spin while they have nothing to do: cores are few.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
        ),
        # Makes the script become the server instead of waiting for it: SIGTERM then reaches it.
        "RUNNING_UNDER_SYSTEMD": "true",
    }
    epmd = Daemon(
        name="epmd",
        command=["epmd", "-address", "127.0.0.1", "-port", str(ports["epmd"])],
        healthy=lambda: _connects(ports["epmd"]),
        timeout=10,
        port=ports["epmd"],
    )
    server = Daemon(
        name="rabbitmq",
        command=[SERVER],
        healthy=lambda: _speaks_amqp(ports["rabbitmq"]),
        environment=environment,
        made_of=[folder / "rabbitmq.conf"],
        timeout=90,
        port=ports["rabbitmq"],
    )
    return [epmd, server]


def _connects(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return True


def _speaks_amqp(port: int) -> bool:
    """Return whether the broker answers a protocol header (AMQP 0-9-1, 4.2.2)."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(AMQP_HEADER)
        return connection.recv(1)[:1] == bytes([METHOD_FRAME])
