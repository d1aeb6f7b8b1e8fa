# SPDX-License-Identifier: Apache-2.0
"""The names of a journal's files, and their order.

::

    autoscale.jsonl                              what is written now
    autoscale-00000007-20261130T120000Z.jsonl    the seventh that was put away, and when
    autoscale-00000006-20261130T110000Z.jsonl.gz an older one, compressed

The order is that of the numbers, because the clock of a host may be set back. Versions before the
numbers wrote ``autoscale-20261130T100000Z-000001.jsonl.gz``, with the id of the process at the end:
these are older than all others, and are in the order of their names.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

CURRENT = "autoscale.jsonl"
NEXT = "autoscale.jsonl.next"
"""The next file while it is written, before it becomes :data:`CURRENT`."""
ASIDE = "autoscale-*.jsonl"
COMPRESSED = "autoscale-*.jsonl.gz"

_NUMBERED = re.compile(r"autoscale-(\d{8,15})-\d{8}T\d{6}Z\.jsonl(?:\.gz)?")


def aside_name(older: Iterable[str], at: float) -> str:
    """Return the name under which a full file is put away.

    :param older: the names of the files that were put away before
    :param at: the time now, seconds since the epoch
    """
    number = 1 + max((_number(name) for name in older), default=0)
    return f"autoscale-{number:08d}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(at))}.jsonl"


def age_order(name: str) -> tuple[int, str]:
    """Return a key by which the names of files that were put away sort, the oldest first."""
    return _number(name), name


def _number(name: str) -> int:
    found = _NUMBERED.fullmatch(name)
    return int(found.group(1)) if found else 0
