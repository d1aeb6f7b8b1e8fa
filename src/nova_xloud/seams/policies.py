# SPDX-License-Identifier: Apache-2.0
"""Our policies among Nova's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from nova_xloud.api import policies


def list_rules(original: Callable[[], Iterable[Any]]) -> Iterable[Any]:
    """Nova's rules, and ours behind them."""
    return itertools.chain(original(), policies.list_rules())
