# SPDX-License-Identifier: Apache-2.0
"""What QEMU itself says of a guest's balloon, without libvirt in between.

libvirt tells the size that QEMU's last event told it. Under load that is seconds old, and while a
vCPU is being removed a question of libvirt to QEMU waits for the end of the removal.
"""

import contextlib
import json
import socket
from pathlib import Path
from typing import Any

from lab.layout import Compute

ANSWER_SECONDS = 5.0
NEGOTIATE = {"execute": "qmp_capabilities"}
ASK = {"execute": "query-balloon"}


def actual_mb(compute: Compute, domain: str) -> int | None:
    """Return the memory that a guest has, MiB: its maximum less what its balloon has taken.

    :param domain: the name of the domain in libvirt
    :returns: None if the domain does not run or has no balloon device, or if QEMU does not answer
    """
    try:
        pid = int((compute.run / "libvirt" / "qemu" / f"{domain}.pid").read_text())
        return _ask(compute.qmp / f"{pid}.look")
    except (OSError, ValueError):
        return None


def _ask(path: Path) -> int | None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(str(path))
        with connection.makefile("rw", encoding="utf-8") as lines:
            for command in (NEGOTIATE, ASK):
                lines.write(json.dumps(command) + "\n")
            lines.flush()
            return next((mb for line in lines if (mb := _answer(json.loads(line)))), None)


def _answer(message: dict[str, Any]) -> int | None:
    """Return the MiB that a QMP message tells; None if it is another message.

    :raises ValueError: QEMU refuses, as it does for a guest without a balloon
    """
    if "error" in message:
        raise ValueError(message["error"])
    with contextlib.suppress(KeyError):
        return int(message["return"]["actual"]) // 2**20
    return None
