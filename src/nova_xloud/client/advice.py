# SPDX-License-Identifier: Apache-2.0
"""What to do next after an error: by the error's code or, if that has no advice, the HTTP status.

The words are those of the table of remedies (:mod:`nova_xloud.core.remedies`).
"""

from __future__ import annotations

from nova_xloud.core.remedies.refusals import NOVAS
from nova_xloud.core.remedies.table import find


def next_step(code: str, http_status: int = 0) -> str:
    """Return what to do next, in one or more sentences; empty if there is no advice.

    A code that is not in the table has the advice of the longest code in the table that it begins
    with.

    :param code: the reason code of an error, a refusal or a condition; empty for an error without
        one
    :param http_status: used if ``code`` is empty or has no advice
    """
    remedy = find(code) or NOVAS.get(http_status)
    return remedy.advice if remedy else ""
