# SPDX-License-Identifier: Apache-2.0
"""Keep nova-compute from waiting for itself when libvirtd is restarted.

Nova holds its lock of the libvirt connection while it tests the connection. If libvirt finds only
by this test that the connection has closed, libvirt reports the close at once and in the same
thread, and Nova's handler waits for the lock that this thread holds. From then on every libvirt
call of nova-compute hangs until nova-compute is restarted (seen in Nova 34.0, which handles these
reports in the thread that gets them).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def connection_closed(
    original: Callable[..., None], host: Any, conn: Any, *args: Any, **kwargs: Any
) -> None:
    """Handle a closed connection as Nova does, and do not wait for the lock of the connection.

    While somebody holds that lock, the report is handled in a thread of its own. The report is
    dropped if the connection has been replaced by then: whoever replaced it has told Nova that it
    was lost.
    """

    def handle() -> None:
        with host._wrapped_conn_lock:
            is_current = conn == host._wrapped_conn
        if is_current:
            original(host, conn, *args, **kwargs)

    if host._wrapped_conn_lock.locked():
        threading.Thread(target=handle, name="xloud-connection-closed", daemon=True).start()
    else:
        original(host, conn, *args, **kwargs)
