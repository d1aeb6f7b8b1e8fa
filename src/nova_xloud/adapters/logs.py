# SPDX-License-Identifier: Apache-2.0
"""Set the request id that oslo.log writes before each log line of a thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from oslo_context import context as oslo_context


@contextlib.contextmanager
def logged_as(context: Any) -> Iterator[None]:
    """Give the log lines of this thread the request id of ``context`` while the block runs.

    oslo.log takes the request id from the context that is stored for the thread. Without this a
    thread of a pool would log with no request id, or with that of another request. When the block
    ends, the context that was stored before is stored again; if there was none, ``context`` stays.

    :param context: a ``RequestContext`` of Nova
    """
    before = oslo_context.get_current()
    context.update_store()
    try:
        yield
    finally:
        if before is not None:
            before.update_store()
