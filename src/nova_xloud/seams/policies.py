# SPDX-License-Identifier: Apache-2.0
"""Add the policy rules of nova-xloud to Nova's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from nova_xloud.api import policies


def list_rules(original: Callable[[], Iterable[Any]]) -> Iterable[Any]:
    """Return Nova's policy rules followed by those of nova-xloud."""
    return itertools.chain(original(), policies.list_rules())
