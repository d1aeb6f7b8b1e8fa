# SPDX-License-Identifier: Apache-2.0
"""The table of all codes, and the search for one of them."""

from __future__ import annotations

from nova_xloud.core.remedies.blocked import BLOCKED
from nova_xloud.core.remedies.conditions import CONDITIONS
from nova_xloud.core.remedies.findings import FINDINGS
from nova_xloud.core.remedies.refusals import REFUSALS
from nova_xloud.core.remedies.remedy import Remedy

_REASONS = {code: one for reasons in CONDITIONS.values() for code, one in reasons.items()}
# Every code, of refusals, conditions and findings.
REMEDIES: dict[str, Remedy] = {**REFUSALS, **BLOCKED, **_REASONS, **FINDINGS}


def find(code: str) -> Remedy | None:
    """Return the entry of a code, or of the longest code in the table that it begins with.

    Such a beginning ends before a dot. ``xloud.blocked.later``, which only a later version knows,
    has the entry of ``xloud.blocked``.

    :returns: None if the table has no beginning of the code
    """
    while code:
        if code in REMEDIES:
            return REMEDIES[code]
        code = code.rpartition(".")[0]
    return None
