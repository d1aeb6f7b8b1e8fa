"""Runs the services that answer HTTP, and checks that they answer."""

import http.client
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.layout import Layout
from lab.processes import Daemon

HERE = Path(__file__).resolve().parent


def daemon(
    layout: Layout,
    name: str,
    application: str,
    *,
    port: str,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    made_of: Sequence[Path] = (),
) -> Daemon:
    """Return the daemon that runs a WSGI application in a process of its own.

    :param application: ``module:attribute``, imported when the process starts
    :param port: the name of its port in the layout
    :param arguments: what the application finds in sys.argv after its name
    :param environment: further environment variables
    :param made_of: further files for :class:`lab.processes.Daemon`
    """
    number = layout.ports[port]
    runner = [layout.program("python"), "-m", "lab.services.wsgi", application, str(number)]
    return Daemon(
        name=name,
        command=[*runner, *arguments],
        healthy=lambda: answers(number),
        environment=environment or {},
        made_of=[*made_of, HERE / "wsgi.py", HERE / "lab_sqlite.py"],
        timeout=90,
        port=number,
    )


def answers(port: int, path: str = "/") -> bool:
    """Return whether a web server at the port answers with a status below 500.

    :raises OSError: nothing listens there, or it does not answer within 5 s
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except http.client.HTTPException:
        return False
    finally:
        connection.close()
