# SPDX-License-Identifier: Apache-2.0
"""Keep Nova's own requests to Placement from waiting after the clock was set back.

keystoneauth1 (5.6 to 5.18) counts a rate of requests by the time of day, also where no rate is set.
After the clock was set back to a time before the client was made, each request sleeps until the
clock shows that time again. nova-compute sleeps in its periodic tasks, one of which is the pass of
nova-xloud, and holds the lock of the resource tracker meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keystoneauth1.adapter import Adapter
from keystoneauth1.session import NoOpSemaphore


def create_client(original: Callable[[Any], Any], reportclient: Any) -> Any:
    """Return the client that Nova makes, without a limit of the rate, which Nova never sets."""
    client = original(reportclient)
    if isinstance(client, Adapter):
        # keystoneauth1 takes any context manager there, and has no public way to name one.
        without_limit: Any = NoOpSemaphore()
        client._rate_semaphore = without_limit
    return client
