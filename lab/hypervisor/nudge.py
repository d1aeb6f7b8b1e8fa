"""TCG WORKAROUND, of the lab only: makes the removal of a vCPU end under TCG.

Under TCG (no KVM) QEMU takes the vCPU away, and says so (DEVICE_DELETED for its local APIC), but
the vCPU object itself is freed, and its own DEVICE_DELETED sent, only when something rebuilds the
memory topology. libvirt waits for that and times out. Asking for the dirty rate for 50 ms does
rebuild it. KVM needs none of this, and nova-xloud knows nothing of it.

Run as ``python -m lab.hypervisor.nudge FOLDER``: listens on every QMP socket in the folder (the
emulator wrapper makes one for each guest) and drops those whose guest is gone.
"""

import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.2

NEGOTIATE = {"execute": "qmp_capabilities"}
REBUILD_MEMORY_TOPOLOGY = {
    "execute": "calc-dirty-rate",
    "arguments": {"calc-time": 50, "calc-time-unit": "millisecond", "mode": "dirty-bitmap"},
}


def replies(message: dict[str, Any]) -> list[dict[str, Any]]:
    """What to send on a QMP message: pure, so that it can be tested without QEMU."""
    if "QMP" in message:
        return [NEGOTIATE]
    deleted = message["data"] if message.get("event") == "DEVICE_DELETED" else {}
    if str(deleted.get("path", "")).endswith("/lapic"):
        return [REBUILD_MEMORY_TOPOLOGY]
    return []


@dataclass
class Guest:
    """The QMP connection to one QEMU process."""

    path: Path
    connection: socket.socket
    unread: bytes = b""

    def receive(self) -> bool:
        """Read what has come and answer it. False when QEMU is gone."""
        try:
            data = self.connection.recv(65536)
            *lines, self.unread = (self.unread + data).split(b"\n")
            for line in lines:
                for reply in replies(json.loads(line)):
                    self.connection.sendall(json.dumps(reply).encode() + b"\n")
                    _log(f"{self.path.name}: {reply['execute']}")
        except OSError:
            return False
        return bool(data)


def _connect(path: Path) -> Guest | None:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        return None
    return Guest(path, connection)


def _pid_runs(path: Path) -> bool:
    return Path("/proc", path.stem).exists()


def watch(folder: Path) -> None:
    """Serve the folder for ever."""
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
                    path.unlink(missing_ok=True)
        for key, _ in selector.select(LOOK_SECONDS):
            guest = key.data
            if not guest.receive():
                selector.unregister(guest.connection)
                guest.connection.close()
                guest.path.unlink(missing_ok=True)
                known.discard(guest.path)


def _log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    (target / "ready").touch()
    watch(target)
