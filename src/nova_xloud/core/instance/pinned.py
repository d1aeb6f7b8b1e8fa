# SPDX-License-Identifier: Apache-2.0
"""Why all of a guest's memory is pinned in the host's RAM.

A balloon in such a guest frees nothing for its host, so the guest holds its maximum of memory
whatever the balloon's size is. The codes in :data:`REASONS` follow ``xloud.blocked.``, as those in
:mod:`nova_xloud.core.sizing.blockers` do. They are API, and never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.sizing.bounds import MEMORY, Blocker

# The reason code of BalloonNotEffective for such a guest.
NOT_EFFECTIVE: Final = "xloud.balloon.memory_pinned"
REASONS: Final[Mapping[str, str]] = {
    "huge_pages": "its memory is made of huge pages",
    "locked_memory": "its memory is locked",
    "file_backed_memory": "its memory is a file",
    "vpmem": "it has persistent memory",
    "memory_encryption": "its memory is encrypted",
    "vfio": "a device is passed through to it",
}


def blockers(guest: DomainReading | None) -> tuple[Blocker, ...]:
    """Return one blocker of memory for each reason why the guest's memory is pinned.

    The result is empty if the memory is not pinned.

    :param guest: the guest as read; None: no guest is known, and the result is empty
    """
    if guest is None:
        return ()
    return tuple(
        Blocker(
            MEMORY,
            why,
            f"the guest holds all of its {guest.max_memory_mb} MiB, because {REASONS[why]}: a "
            f"balloon would free nothing",
        )
        for why in guest.pinned
    )
