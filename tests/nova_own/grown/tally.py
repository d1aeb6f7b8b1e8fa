# SPDX-License-Identifier: Apache-2.0
"""Count the servers of one test that were grown, and the reasons of those that were not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any


class Tally:
    """The servers of one test.

    :ivar data: what is reported, kept up to date: ``{"servers": 2, "why_not": {REASON: SERVERS}}``.
        ``servers`` are those that were grown; a reason is counted once for each server that was
        not, and a server may have one reason for each resource
    """

    def __init__(self) -> None:
        self.data: dict[str, Any] = {"servers": 0, "why_not": {}}
        self._grown: set[str] = set()
        self._reasons: dict[str, frozenset[str]] = {}

    def grew(self, server: str) -> None:
        """Count a server as grown."""
        self._grown.add(server)
        self._count()

    def stays(self, server: str, reasons: Iterable[str]) -> None:
        """Count why a server could not be grown; it does not count if the server grows later."""
        self._reasons[server] = frozenset(reasons)
        self._count()

    def _count(self) -> None:
        stayed = [why for server, why in self._reasons.items() if server not in self._grown]
        counted = Counter(reason for why in stayed for reason in why)
        self.data.update(servers=len(self._grown), why_not=dict(sorted(counted.items())))
