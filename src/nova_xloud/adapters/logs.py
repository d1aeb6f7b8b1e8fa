# SPDX-License-Identifier: Apache-2.0
"""Set the request id that oslo.log writes before each line of a thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from oslo_context import context as oslo_context


@contextlib.contextmanager
def logged_as(context: Any) -> Iterator[None]:
    """Give the log lines of this thread the request id of ``context`` while the block runs.

    oslo.log reads the context from the thread. A thread of a pool has no context, or the first one
    that was ever made in that thread. The context before is restored when the block ends; if there
    was none, ``context`` stays.
    """
    before = oslo_context.get_current()
    context.update_store()
    try:
        yield
    finally:
        if before is not None:
            before.update_store()
