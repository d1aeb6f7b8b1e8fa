# SPDX-License-Identifier: Apache-2.0
"""Change the allocation of an instance in Placement while others may change it too."""

from __future__ import annotations

from collections.abc import Callable

from nova_xloud.compute.ports import ClaimConflict, Claims, Reservation
from nova_xloud.core.size import Size
from nova_xloud.errors import PlacementUnavailable


def change_claim(
    claims: Claims,
    current: Reservation,
    wanted: Callable[[Size], Size],
    attempts: int,
    on_conflict: Callable[[], object] = lambda: None,
) -> Reservation:
    """Reserve the size that ``wanted`` returns for the size reserved now; retry on conflict.

    :param current: the allocation as it was read last
    :param wanted: takes the size reserved now and returns the size to reserve. It is called at each
        attempt, because a conflict means that the reserved size has changed
    :param attempts: how often to try in all
    :param on_conflict: called after a conflict, once the allocation is read again; it raises where
        there shall be no further attempt
    :returns: the allocation as it is now
    :raises NoCapacity: the host has no room for the size
    :raises PlacementUnavailable: Placement could not be asked, or each attempt met a conflict
    :raises Refused: any other that :meth:`Claims.read <nova_xloud.compute.ports.Claims.read>`,
        :meth:`Claims.write <nova_xloud.compute.ports.Claims.write>` or ``on_conflict`` raises
    """
    for _ in range(attempts):
        size = wanted(current.size)
        if size == current.size:
            return current
        try:
            return claims.write(current, size)
        except ClaimConflict:
            # The claim is read before the record, which on_conflict reads: observe() explains why.
            current = claims.read()
            on_conflict()
    raise PlacementUnavailable(
        f"the allocation was changed by somebody else at each of {attempts} attempts; try again"
    )
