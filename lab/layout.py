"""The paths and ports of the lab.

All state lives under one folder, ``.lab/`` at the repository's root unless ``LAB_STATE`` names
another:

    .lab/
      ports.json            the ports of this lab
      openrc                a file for a shell to source, to talk to the cloud
      cache/                downloads and what is built from them; survives ``down``
      etc/  db/  glance/    configuration, SQLite files, images of the services
      run/  logs/           pid files and logs, one of each per daemon
      instances/            the guests' disks; all computes share this folder, as over NFS
      computes/<hostname>/  one compute: its libvirtd's private folders, nova-compute's state
"""

import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.errors import LabError

REPOSITORY = Path(__file__).resolve().parent.parent

# sockaddr_un.sun_path is 108 bytes with its closing NUL (unix(7)).
UNIX_PATH_MAX = 107

# The mount namespace of a compute puts private folders over these. QEMU sees nothing of what is
# below them outside, so the lab's state cannot be there.
HIDDEN_IN_NAMESPACE = ("/run", "/usr", "/var", "/etc")

USUAL_PORTS: Mapping[str, int] = {
    "keystone": 5000,
    "placement": 8778,
    "glance": 9292,
    "nova": 8774,
    "network": 9696,
    "rabbitmq": 5672,
    "rabbitmq_dist": 25672,
    "epmd": 4369,
    "metrics-compute1": 9177,
    "metrics-compute2": 9178,
    "prometheus": 9090,
    "dashboard": 8080,
}

# The compute hosts that `up` starts, and where each receives guests that migrate to it. libvirt
# refuses 127.0.0.1 there: it knows that address as that of its own machine.
HOSTNAMES = {"compute1": "127.0.0.11", "compute2": "127.0.0.12"}
SOMEBODY_ELSES = "127.0.0.10"


@dataclass(frozen=True)
class Compute:
    """One compute host of the lab: a hostname, a folder for all its files, and an address.

    :ivar address: a loopback address, on which the host's QEMU listens for a guest that migrates
        to the host
    """

    hostname: str
    root: Path
    address: str = SOMEBODY_ELSES

    @property
    def run(self) -> Path:
        """The folder that the compute's libvirtd has as /run."""
        return self.root / "run"

    @property
    def libvirt_socket(self) -> Path:
        """The socket of the compute's libvirtd."""
        return self.run / "libvirt" / "libvirt-sock"

    @property
    def qmp(self) -> Path:
        """The folder with two more QMP sockets of each running QEMU.

        The name of each is the process id of its QEMU: with ``.sock`` the one that lab/hypervisor's
        nudge.py holds, with ``.look`` the one for questions (balloon.py).
        """
        return self.run / "qmp"

    @property
    def state(self) -> Path:
        """The ``state_path`` of the compute's Nova."""
        return self.root / "nova"

    @property
    def nova_conf(self) -> Path:
        """The nova.conf of the compute's nova-compute."""
        return self.root / "nova-compute.conf"

    def daemon(self, name: str) -> str:
        """Return the name that one of this compute's daemons has in logs and records."""
        return f"{name}-{self.hostname}"


@dataclass(frozen=True)
class Layout:
    """All paths and ports of one lab."""

    state: Path
    ports: Mapping[str, int] = field(default_factory=dict)
    computes: tuple[Compute, ...] = ()

    @property
    def cache(self) -> Path:
        """The folder for downloads and what is built from them."""
        return self.state / "cache"

    @property
    def etc(self) -> Path:
        """The folder for configuration files."""
        return self.state / "etc"

    @property
    def databases(self) -> Path:
        """The folder for SQLite files."""
        return self.state / "db"

    @property
    def instances(self) -> Path:
        """Nova's instances_path, the same folder for every compute.

        Its path is the same inside and outside of their mount namespaces. Guests are moved as with
        shared storage: nothing is copied from one host to another over ssh.
        """
        return self.state / "instances"

    @property
    def logs(self) -> Path:
        """The folder for logs."""
        return self.state / "logs"

    @property
    def run(self) -> Path:
        """The folder for records of running processes."""
        return self.state / "run"

    @property
    def site(self) -> Path:
        """The folder of Python modules that all services have in their PYTHONPATH."""
        return self.state / "site"

    @property
    def openrc(self) -> Path:
        """The file that a shell sources to talk to the cloud."""
        return self.state / "openrc"

    @property
    def venv(self) -> Path:
        """The Python environment with OpenStack: LAB_VENV, or .venv/ of the repository."""
        return Path(os.environ.get("LAB_VENV") or REPOSITORY / ".venv")

    @property
    def venv_etc(self) -> Path:
        """The folder where pip has put the services' own etc/ files, such as api-paste.ini."""
        return self.venv / "etc"

    @property
    def password(self) -> str:
        """The one password of this lab: for its users, its services, and its message broker.

        It is chosen at the first call.
        """
        path = self.state / "password"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(12) + "\n")
        return path.read_text().strip()

    def program(self, name: str) -> str:
        """Return the path of a command of the Python environment."""
        return str(self.venv / "bin" / name)

    def url(self, service: str, path: str = "") -> str:
        """Return the URL of a service of the lab.

        :param service: the name of its port in ``ports``
        """
        return f"http://127.0.0.1:{self.ports[service]}{path}"

    def make_folders(self) -> None:
        """Create the folders of the lab."""
        for folder in (self.cache, self.etc, self.databases, self.logs, self.run):
            folder.mkdir(parents=True, exist_ok=True)


def compute_of(state: Path, hostname: str) -> Compute:
    """Return the compute with a hostname, whose folder need not exist yet."""
    return Compute(hostname, state / "computes" / hostname, HOSTNAMES.get(hostname, SOMEBODY_ELSES))


def computes_found(state: Path) -> tuple[Compute, ...]:
    """Return all computes that have a folder: those of the layout, and those made by tests."""
    return tuple(compute_of(state, path.name) for path in sorted(state.glob("computes/*")))


def load(environ: Mapping[str, str] = os.environ) -> Layout:
    """Return the layout of this repository's lab, or of the lab in LAB_STATE; create its folders.

    The ports are those that the lab had before, or are chosen now.

    :raises LabError: the folder cannot be used; the message says what to do
    """
    state = Path(environ.get("LAB_STATE") or REPOSITORY / ".lab").resolve()
    computes = tuple(compute_of(state, hostname) for hostname in HOSTNAMES)
    _check_state_folder(state, computes)
    layout = Layout(state=state, ports=_ports(state), computes=computes)
    layout.make_folders()
    return layout


def _check_state_folder(state: Path, computes: tuple[Compute, ...]) -> None:
    for hidden in HIDDEN_IN_NAMESPACE:
        if state.is_relative_to(hidden):
            raise LabError(
                f"the lab's state cannot be below {hidden} (it is {state}): the compute's mount "
                "namespace has a private folder there. Set LAB_STATE to another folder."
            )
    # The longest socket path the lab makes: a QEMU monitor named by a process id.
    longest = max(
        len(os.fsencode(path))
        for compute in computes
        for path in (compute.libvirt_socket, compute.qmp / "4194304.sock")
    )
    if longest > UNIX_PATH_MAX:
        raise LabError(
            f"{state} is too long a path: a unix socket below it would have {longest} bytes, and "
            f"Linux allows {UNIX_PATH_MAX}. Set LAB_STATE to a short folder, like /tmp/lab."
        )


def _ports(state: Path) -> Mapping[str, int]:
    """Return the ports of this lab: those it had before, else the usual ports, else free ports."""
    remembered = state / "ports.json"
    if remembered.exists():
        known: dict[str, int] = json.loads(remembered.read_text())
        if known.keys() >= USUAL_PORTS.keys():
            return known
    return _remember(state, _free_ports(USUAL_PORTS))


def with_free_ports(layout: Layout) -> Layout:
    """Return the same lab with free ports in place of taken ones; nothing of the lab may run."""
    ports = _remember(layout.state, _free_ports(layout.ports))
    return replace(layout, ports=ports)


def _remember(state: Path, ports: Mapping[str, int]) -> Mapping[str, int]:
    state.mkdir(parents=True, exist_ok=True)
    (state / "ports.json").write_text(json.dumps(ports, indent=2) + "\n")
    return ports


def _free_ports(wanted: Mapping[str, int]) -> dict[str, int]:
    ports: dict[str, int] = {}
    for name, number in wanted.items():
        free = number not in ports.values() and port_is_free(number)
        ports[name] = number if free else _any_free_port(set(ports.values()))
    return ports


def port_is_free(port: int) -> bool:
    """Return whether no process listens on the port, on 127.0.0.1 or on all addresses."""
    for address in ("127.0.0.1", "0.0.0.0"):
        with socket.socket() as probe:
            # As servers do: a connection in TIME_WAIT does not make a port taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def _any_free_port(not_these: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in not_these and port not in USUAL_PORTS.values():
            return port


def forget_ports(layout: Layout) -> None:
    """Forget the lab's ports, so that the next ``up`` chooses them again."""
    (layout.state / "ports.json").unlink(missing_ok=True)
