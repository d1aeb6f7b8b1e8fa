"""TCG WORKAROUND, of the lab only: makes the removal of a vCPU end under TCG.

Under TCG (no KVM) QEMU takes the vCPU away, and sends DEVICE_DELETED for its local APIC. But it
frees the vCPU object itself, and sends DEVICE_DELETED for that, only when something rebuilds the
memory topology. libvirt waits for the second event and times out. The QMP command that measures the
dirty rate for 50 ms rebuilds the memory topology. KVM needs none of this, and nova-xloud knows
nothing of it.

To a guest with the behaviour "slow-removal" or "very-slow-removal" (lab/guest) the command is sent
so many seconds late as DELAYS says. To libvirt the guest then gives a vCPU back after that time.

Run it as ``python -m lab.hypervisor.nudge FOLDER``. It connects to each QMP socket in the folder,
where emulator.sh makes two for each guest, and deletes the sockets of guests that are gone. The
other one, whose name ends with ".look", is for questions.
"""

import contextlib
import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.2

# More than the 5 s for which libvirt itself waits.
SLOW_SECONDS = 8.0
# More than a run of nova-xloud waits in the lab, too.
VERY_SLOW_SECONDS = 40.0
# By the word of the kernel's command line.
DELAYS = {
    b"xloud.guest=slow-removal": SLOW_SECONDS,
    b"xloud.guest=very-slow-removal": VERY_SLOW_SECONDS,
}

NEGOTIATE = {"execute": "qmp_capabilities"}
REBUILD_MEMORY_TOPOLOGY = {
    "execute": "calc-dirty-rate",
    "arguments": {"calc-time": 50, "calc-time-unit": "millisecond", "mode": "dirty-bitmap"},
}


def replies(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the QMP commands to send after the QMP message ``message``; most need none."""
    if "QMP" in message:
        return [NEGOTIATE]
    deleted = message["data"] if message.get("event") == "DEVICE_DELETED" else {}
    if str(deleted.get("path", "")).endswith("/lapic"):
        return [REBUILD_MEMORY_TOPOLOGY]
    return []


@dataclass
class Guest:
    """The QMP connection to one QEMU process.

    :ivar delay: seconds by which ``REBUILD_MEMORY_TOPOLOGY`` is sent late
    :ivar unread: the beginning of a message whose end has not been received
    :ivar due: the commands to send, each with the ``time.monotonic()`` from which it is due
    """

    path: Path
    connection: socket.socket
    delay: float = 0.0
    unread: bytes = b""
    due: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def receive(self) -> bool:
        """Read messages, and send or schedule the commands after them.

        :returns: False if QEMU is gone
        """
        try:
            data = self.connection.recv(65536)
        except OSError:
            return False
        *lines, self.unread = (self.unread + data).split(b"\n")
        for line in lines:
            for reply in replies(json.loads(line)):
                late = self.delay if reply is REBUILD_MEMORY_TOPOLOGY else 0.0
                self.due.append((time.monotonic() + late, reply))
        self.send_due()
        return bool(data)

    def send_due(self) -> None:
        """Send the commands that are due.

        Errors of the socket are ignored: :meth:`receive` notices that QEMU is gone.
        """
        now = time.monotonic()
        due = [reply for when, reply in self.due if when <= now]
        self.due = [(when, reply) for when, reply in self.due if when > now]
        with contextlib.suppress(OSError):
            for reply in due:
                self.connection.sendall(json.dumps(reply).encode() + b"\n")
                _log(f"{self.path.name}: {reply['execute']}")


def _connect(path: Path) -> Guest | None:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        return None
    return Guest(path, connection, _delay(path))


def _delay(path: Path) -> float:
    """Return the delay for the guest of a socket, by the kernel's command line.

    That is an argument of the QEMU whose process id is the socket's name.
    """
    try:
        arguments = Path("/proc", path.stem, "cmdline").read_bytes()
    except OSError:
        return 0.0
    words = arguments.replace(b"\0", b" ").split()
    return max((DELAYS.get(word, 0.0) for word in words), default=0.0)


def _forget(path: Path) -> None:
    """Delete both sockets of a guest that is gone."""
    path.unlink(missing_ok=True)
    path.with_suffix(".look").unlink(missing_ok=True)


def _pid_runs(path: Path) -> bool:
    return Path("/proc", path.stem).exists()


def watch(folder: Path) -> None:
    """Connect to all QMP sockets that appear in the folder, and never return."""
    selector = selectors.DefaultSelector()
    known: set[Path] = set()
    looked = 0.0
    while True:
        if time.monotonic() - looked >= LOOK_SECONDS:
            looked = time.monotonic()
            for path in set(folder.glob("*.sock")) - known:
                if guest := _connect(path):
                    known.add(path)
                    selector.register(guest.connection, selectors.EVENT_READ, guest)
                elif not _pid_runs(path):
                    _forget(path)
        for key, _ in selector.select(LOOK_SECONDS):
            guest = key.data
            if not guest.receive():
                selector.unregister(guest.connection)
                guest.connection.close()
                _forget(guest.path)
                known.discard(guest.path)
        for key in list(selector.get_map().values()):
            key.data.send_due()


def _log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    (target / "ready").touch()
    watch(target)
