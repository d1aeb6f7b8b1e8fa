# SPDX-License-Identifier: Apache-2.0
"""Whose request a thread works on, as oslo.log writes it before each line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from oslo_context import context as oslo_context


@contextlib.contextmanager
def logged_as(context: Any) -> Iterator[None]:
    """What this thread logs has the request id of ``context``.

    oslo.log reads the context from the thread, and a thread of a pool has none, or that of whoever
    first made one in it.
    """
    before = oslo_context.get_current()
    context.update_store()
    try:
        yield
    finally:
        if before is not None:
            before.update_store()
