# SPDX-License-Identifier: Apache-2.0
"""What was asked for an instance, as it is kept in its ``system_metadata``.

=========================  =======================================================
key                        value
=========================  =======================================================
``xloud_flavor``           which flavor the sizes are of; see :func:`flavor_key`
``xloud_generation``       counts admitted adjustments
``xloud_vcpus``            the persisted desired size
``xloud_memory_mb``
``xloud_live_vcpus``       desired until the guest next stops (``persist: false``);
``xloud_live_memory_mb``   absent otherwise
``xloud_removal_pending``  the count of vCPUs that a removal was begun for, until it is seen
``xloud_force``            "1": memory may go below what the guest says that it needs
``xloud_tries``            how often a run has failed to reach what was asked for last; absent once
                           it was reached
``xloud_gave_up``          that it was given up, until somebody asks again: since, reason code and
                           message, by ``|``
``xloud_phase``            where the adjustment is: phase, since and reason code, by ``|``
``xloud_phase_message``    the same in words
``xloud_request_id``       of the request that asked for it
``xloud_condition_<type>`` a condition that was true when it was last looked at: since,
                           reason code and message, by ``|``
``xloud_revision``         counts all changes of the record; see :func:`newer`
``xloud_resized_from``     until a resize is confirmed: the flavor before, as in ``xloud_flavor``
``xloud_before_<key>``     likewise: the record of that flavor
=========================  =======================================================

Values are cut at 255 characters, as Nova's database is. A database may have anything in them all
the same: see :mod:`nova_xloud.core.instance.values`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nova_xloud.core.instance import values
from nova_xloud.core.instance.lifecycle import GAVE_UP, NEVER_ADJUSTED, Condition, Event, Progress
from nova_xloud.core.instance.values import UnreadableRecord
from nova_xloud.core.size import Size

PREFIX = "xloud_"
_BEFORE = "xloud_before_"
_REVISION = "xloud_revision"
_RESIZED_FROM = "xloud_resized_from"
_GAVE_UP = "xloud_gave_up"
_TRIES = "xloud_tries"
_LONGEST = 255
# As flavor_key() makes them: 4:1024:name.
_FLAVOR_KEY = re.compile(r"[0-9]{1,15}:[0-9]{1,15}:")
_PERSISTED = frozenset(("xloud_vcpus", "xloud_memory_mb"))
_LIVE = frozenset(("xloud_live_vcpus", "xloud_live_memory_mb"))


def flavor_key(flavorid: str, maximum: Size) -> str:
    """Names a flavor and its sizes, so that a record does not outlive a resize."""
    # The sizes come first: a value is cut at 255 characters, and a flavorid may have as many.
    return f"{maximum.vcpus}:{maximum.memory_mb}:{flavorid}"[:_LONGEST]


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """A request that is admitted.

    :ivar target: what the guest is to have
    :ivar persisted: what it is to have after its next start
    :ivar force: memory may go below what the guest says that it needs
    :ivar now: ISO 8601, UTC
    """

    target: Size
    persisted: Size
    force: bool = False
    now: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Desired:
    """The size that was asked for last and admitted, and how far the instance has come.

    :ivar persisted: kept over stop and start
    :ivar live: until the guest next stops; None when that is the persisted size
    :ivar generation: 0 for an instance that was never adjusted
    :ivar removal_pending: vCPUs are being removed down to this count. Written before libvirt is
        told, so that whoever comes after a crash knows that the number of vCPUs is not settled
    :ivar force: see :class:`AdmittedRequest`
    :ivar progress: how far it has come
    :ivar recorded_conditions: the conditions that were true when they were last written
    :ivar tries: how many runs have failed to reach what was asked for last; None: it was reached,
        or nobody has asked; see :mod:`nova_xloud.core.convergence.giving_up`
    :ivar given_up: the condition that says so, until somebody asks again
    :ivar readable: False: there is a record that nobody can read, and this stands in for it
    """

    persisted: Size
    live: Size | None = None
    generation: int = 0
    removal_pending: int | None = None
    force: bool = False
    progress: Progress = NEVER_ADJUSTED
    recorded_conditions: tuple[Condition, ...] = ()
    # Not compared: it is no part of what is desired.
    tries: int | None = field(default=None, compare=False)
    given_up: Condition | None = None
    readable: bool = True

    @property
    def target(self) -> Size:
        """What a running guest is driven to."""
        return self.live or self.persisted

    @property
    def claim(self) -> Size:
        """The size that must stay claimed once the target is reached.

        A size that is not persisted releases nothing of the persisted one: the guest comes
        back with that, and its start must not depend on room being left by then.
        """
        return self.persisted.at_least(self.target)

    def after(self, request: AdmittedRequest) -> Desired:
        """The next record once a request is admitted; asking for the same again counts nothing."""
        progress = replace(
            self.progress.after(Event.ADMIT, request.now), request_id=request.request_id
        )
        live = None if request.target == request.persisted else request.target
        next_record = replace(
            self,
            persisted=request.persisted,
            live=live,
            force=request.force,
            progress=progress,
            tries=0,
            given_up=None,
            readable=True,
        )
        if self.readable and next_record.same_target(self):
            return next_record
        return replace(next_record, generation=self.generation + 1)

    def same_target(self, other: Desired) -> bool:
        """Whether both are of the same size and way there, however far they are."""
        return (self.persisted, self.live, self.force) == (other.persisted, other.live, other.force)

    def same_record(self, other: Desired) -> bool:
        """Whether both are written alike: how often it was tried is too."""
        return self == other and self.tries == other.tries

    def restarted(self) -> Desired:
        """The record once the guest has stopped."""
        return replace(self, live=None, removal_pending=None)


def from_metadata(
    metadata: Mapping[str, str], key: str, boot: Size, resized_from: str | None = None
) -> Desired:
    """The record of an instance.

    :param metadata: its ``system_metadata``
    :param key: :func:`flavor_key` of the flavor it has now
    :param boot: what it boots with when there is no record of this flavor: the rule of a
        resize too, after which an instance has the new flavor's minimum
    :param resized_from: the same key of the flavor before, of an instance whose resize is not
        confirmed. Then a record counts if it was made since; else it is of an earlier time with
        the flavor, and the scheduler has claimed the minimum
    :raises UnreadableRecord: a number in it is none
    """
    record = _of_flavor(metadata, key, resized_from)
    persisted = values.size(record, "xloud_vcpus", "xloud_memory_mb")
    if persisted is None:
        return Desired(boot)
    pending = None
    if "xloud_removal_pending" in record:
        pending = values.integer(record, "xloud_removal_pending", least=1)
    return Desired(
        persisted=persisted,
        live=values.size(record, "xloud_live_vcpus", "xloud_live_memory_mb"),
        generation=values.integer({"xloud_generation": "0", **record}, "xloud_generation", least=0),
        removal_pending=pending,
        force=record.get("xloud_force") == "1",
        progress=values.progress(record),
        recorded_conditions=values.conditions(record),
        tries=_tries(record),
        given_up=values.condition(GAVE_UP, record[_GAVE_UP]) if _GAVE_UP in record else None,
    )


def read_record(
    metadata: Mapping[str, str],
    key: str,
    boot: Size,
    maximum: Size,
    resized_from: str | None = None,
) -> Desired:
    """:func:`from_metadata`, of a record that may have been written by anybody.

    :param maximum: of the flavor
    :raises UnreadableRecord: as that does, and where the record is not whole, or is of no flavor,
        or has a size that the flavor does not allow
    """
    flavor = metadata.get("xloud_flavor") or ""
    if record_in(metadata) and not _FLAVOR_KEY.match(flavor):
        raise UnreadableRecord(f"xloud_flavor is {flavor!r}, which names no flavor")
    desired = from_metadata(metadata, key, boot, resized_from)
    record = _of_flavor(metadata, key, resized_from)
    for names, needed in ((_PERSISTED, bool(record)), (_LIVE, not _LIVE.isdisjoint(record))):
        if needed and not names <= record.keys():
            raise UnreadableRecord(f"{' and '.join(sorted(names - record.keys()))} missing")
    for size in (desired.persisted, desired.claim):
        if not maximum.covers(size):
            raise UnreadableRecord(f"it is of {size}, and the flavor's maximum is {maximum}")
    return desired


def _of_flavor(
    metadata: Mapping[str, str], key: str, resized_from: str | None
) -> Mapping[str, str]:
    """The record of this flavor, with no value of None; empty: there is none."""
    record = {name: value or "" for name, value in record_in(metadata).items()}
    if resized_from is not None:
        record = record if record.get(_RESIZED_FROM) == resized_from else {}
    elif record.get("xloud_flavor") != key:
        # After a revert.
        record = _before(record)
    return record if record.get("xloud_flavor") == key else {}


def recorded_instead(metadata: Mapping[str, str], held: Size, maximum: Size) -> Desired:
    """What counts as desired of an instance whose record nobody can read: what it holds.

    :param held: what its own columns say
    :param maximum: of its flavor
    """
    try:
        generation = values.integer(metadata, "xloud_generation", least=0)
    except UnreadableRecord:
        generation = 0
    size = Size(min(held.vcpus, maximum.vcpus), min(held.memory_mb, maximum.memory_mb))
    return Desired(size, generation=generation, readable=False)


def to_metadata(desired: Desired, key: str) -> dict[str, str]:
    """The record as ``system_metadata``; keys of ours not in it must be removed."""
    progress = desired.progress
    data = {
        "xloud_flavor": key,
        "xloud_generation": str(desired.generation),
        "xloud_vcpus": str(desired.persisted.vcpus),
        "xloud_memory_mb": str(desired.persisted.memory_mb),
        "xloud_phase": f"{progress.phase.value}|{progress.since}|{progress.code}",
    }
    if desired.live is not None:
        data["xloud_live_vcpus"] = str(desired.live.vcpus)
        data["xloud_live_memory_mb"] = str(desired.live.memory_mb)
    if desired.removal_pending is not None:
        data["xloud_removal_pending"] = str(desired.removal_pending)
    if desired.force:
        data["xloud_force"] = "1"
    if progress.message:
        data["xloud_phase_message"] = progress.message
    if progress.request_id:
        data["xloud_request_id"] = progress.request_id
    for condition in desired.recorded_conditions:
        data[values.CONDITION + condition.type] = (
            f"{condition.since}|{condition.reason}|{condition.message}"
        )
    if desired.tries is not None:
        data[_TRIES] = str(desired.tries)
    if desired.given_up is not None:
        one = desired.given_up
        data[_GAVE_UP] = f"{one.since}|{one.reason}|{one.message}"
    return {name: value[:_LONGEST] for name, value in data.items()}


def record_in(metadata: Mapping[str, str]) -> dict[str, str]:
    """The keys of ours in a ``system_metadata``."""
    return {name: value for name, value in metadata.items() if name.startswith(PREFIX)}


def replaced(
    metadata: Mapping[str, str], desired: Desired, key: str, resized_from: str | None = None
) -> dict[str, str]:
    """A ``system_metadata`` with ``desired`` as its record; the keys of others stay.

    :param key: of the flavor that it is of
    :param resized_from: see :func:`from_metadata`; the record of that flavor is kept for a revert
    """
    others = {name: value for name, value in metadata.items() if not name.startswith(PREFIX)}
    record = {**to_metadata(desired, key), _REVISION: str(_revision(metadata) + 1)}
    if resized_from is not None:
        record[_RESIZED_FROM] = resized_from
        before = metadata if metadata.get("xloud_flavor") == resized_from else _before(metadata)
        for name, value in record_in(before).items():
            if not name.startswith((_BEFORE, _REVISION, _RESIZED_FROM)):
                record[_BEFORE + name.removeprefix(PREFIX)] = value
    return {**others, **record}


def resized_from(metadata: Mapping[str, str]) -> str | None:
    """The ``flavor_key`` of the flavor before a resize that is not confirmed yet, from the record;
    None otherwise.
    """
    return metadata.get(_RESIZED_FROM)


def newer(mine: Mapping[str, str], stored: Mapping[str, str]) -> dict[str, str]:
    """``mine``, with the record of whichever of the two was changed last.

    ``system_metadata`` is written whole, by whoever read it some time ago and has changed a key of
    his own. An adjustment that came between shall not be lost with that.

    :param mine: a ``system_metadata`` to be written
    :param stored: what the database has
    """
    if _revision(mine) > _revision(stored):
        return dict(mine)
    others = {name: value for name, value in mine.items() if not name.startswith(PREFIX)}
    return {**others, **record_in(stored)}


def _before(metadata: Mapping[str, str]) -> dict[str, str]:
    return {
        PREFIX + name.removeprefix(_BEFORE): value
        for name, value in metadata.items()
        if name.startswith(_BEFORE)
    }


def _revision(metadata: Mapping[str, str]) -> int:
    """0 too where nobody can read it: any change that is made by us is newer."""
    try:
        return values.integer(metadata, _REVISION, least=0)
    except UnreadableRecord:
        return 0


def _tries(record: Mapping[str, str]) -> int | None:
    """None too where nobody can read it: no size depends on it."""
    try:
        return values.integer(record, _TRIES, least=0) if _TRIES in record else None
    except UnreadableRecord:
        return None
