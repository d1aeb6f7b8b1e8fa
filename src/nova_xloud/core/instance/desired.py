# SPDX-License-Identifier: Apache-2.0
"""The record of an instance: the desired size and more, as kept in its ``system_metadata``.

=========================  =======================================================
key                        value
=========================  =======================================================
``xloud_flavor``           the flavor that the sizes belong to; see :func:`flavor_key`
``xloud_generation``       counts admitted adjustments that changed what is desired
``xloud_vcpus``            the persisted desired size
``xloud_memory_mb``
``xloud_live_vcpus``       desired until the guest next stops (``persist: false``);
``xloud_live_memory_mb``   absent otherwise
``xloud_removal_pending``  how many vCPUs are to be left by a removal; absent if none is known to be
                           under way
``xloud_force``            "1": memory may shrink below what the guest reports that it needs
``xloud_tries``            how many tries to reach the size asked for last have failed, 0 once that
                           size is given up; absent once the desired size was reached
``xloud_gave_up``          set while the last request is given up, until somebody asks again:
                           since, reason code and message, separated by ``|``
``xloud_autoscale``        the mode of automatic growth that was requested: off, observe or on;
                           absent if the flavor's counts. It is kept at a resize
``xloud_asked``            what persons have asked for last: when, vCPUs and MiB, separated by
                           ``|``; a number is empty if nobody has asked for the resource. When the
                           memory was asked for follows, if that was at another time
``xloud_phase``            how far the adjustment has come: phase, since and reason code,
                           separated by ``|``
``xloud_phase_message``    the message of the phase, for people
``xloud_request_id``       the id of the request that asked for the desired size
``xloud_history_<0..9>``   the last adjustments: see :mod:`~.instance.history`. They are kept at a
                           resize
``xloud_superseded``       the ids of requests that had not ended when the next one was admitted
``xloud_condition_<type>`` a condition that was true when conditions were last written: since,
                           reason code and message, separated by ``|``
``xloud_revision``         counts all changes of the record; see :func:`newer`
``xloud_resized_from``     if a resize was not confirmed when the record was written: the flavor
                           before it, as in ``xloud_flavor``
``xloud_before_<key>``     with ``xloud_resized_from``: ``xloud_<key>`` of the record that the
                           instance had before the resize, kept for a revert
=========================  =======================================================

Values are cut at 255 characters, the width of the column in Nova's database. A database may still
have any text in them. A flavor, size, generation or pending removal that cannot be read makes the
record unreadable. An unknown phase counts as ``admitted``. An unknown mode, and tries or
``xloud_asked`` that cannot be read, count as absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nova_xloud.core.autoscaling.mode import mode_of
from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.core.instance import asked, history, values
from nova_xloud.core.instance.asked import Asked
from nova_xloud.core.instance.history import History
from nova_xloud.core.instance.lifecycle import GAVE_UP, NEVER_ADJUSTED, Condition, Progress
from nova_xloud.core.instance.values import UnreadableRecord
from nova_xloud.core.size import Size

PREFIX = "xloud_"
_BEFORE = "xloud_before_"
_REVISION = "xloud_revision"
_RESIZED_FROM = "xloud_resized_from"
_GAVE_UP = "xloud_gave_up"
_TRIES = "xloud_tries"
_AUTOSCALE = "xloud_autoscale"
_ASKED = "xloud_asked"
_LONGEST = 255
# As flavor_key() makes them: 4:1024:name.
_FLAVOR_KEY = re.compile(r"[0-9]{1,15}:[0-9]{1,15}:")
_PERSISTED = frozenset(("xloud_vcpus", "xloud_memory_mb"))
_LIVE = frozenset(("xloud_live_vcpus", "xloud_live_memory_mb"))


def flavor_key(flavorid: str, maximum: Size) -> str:
    """Return the text by which a record names the flavor that its sizes belong to.

    An example is ``4:1024:name``: the maximum's vCPUs and MiB, and the ``flavorid``. The text is
    cut at 255 characters.
    """
    # The sizes come first: a value is cut at 255 characters, and a flavorid may have as many.
    return f"{maximum.vcpus}:{maximum.memory_mb}:{flavorid}"[:_LONGEST]


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """An admitted request: what it makes desired, its id, and when it was admitted.

    :ivar target: the size that the guest is to have now
    :ivar persisted: the size that the guest is to have after its next start
    :ivar force: memory may shrink below what the guest's statistics show that it needs
    :ivar now: when the request was admitted: ISO 8601, UTC
    :ivar request_id: the id of the request
    """

    target: Size
    persisted: Size
    force: bool = False
    now: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Desired:
    """The record of an instance: the size that was asked for last and admitted, and the progress.

    For an instance that was never adjusted, the size is usually the boot size.

    :ivar persisted: the size that the guest starts with, kept over stop and start
    :ivar live: the size until the guest next stops; None if that is the persisted size
    :ivar generation: grows by one with each admitted adjustment that changes what is desired; 0 if
        there was none with this flavor
    :ivar removal_pending: how many vCPUs are to be left by a removal; None if none is under way. It
        is written before the call to libvirt, so that a run after a crash knows of the removal
    :ivar force: memory may shrink below what the guest's statistics show that it needs
    :ivar progress: how far the adjustment has come
    :ivar recorded_conditions: the conditions that were true when they were last written, without
        those that :func:`nova_xloud.core.instance.conditions.worth_recording` leaves out
    :ivar tries: how many tries to reach the size asked for last have failed, 0 once that size is
        given up; None if the desired size was reached, or none was asked for.
        :mod:`nova_xloud.core.convergence.giving_up` says which runs are tries
    :ivar given_up: the condition ``GaveUp`` if the last request is given up, until somebody asks
        again; else None
    :ivar autoscale: the mode of automatic growth that was requested; None: the flavor's counts
    :ivar asked: what persons have asked for last; None if nobody has, or it cannot be read
    :ivar history: the last adjustments, and how each of them ended
    :ivar readable: False if :func:`recorded_instead` has made this record, because the stored one
        cannot be read
    """

    persisted: Size
    live: Size | None = None
    generation: int = 0
    removal_pending: int | None = None
    force: bool = False
    progress: Progress = NEVER_ADJUSTED
    recorded_conditions: tuple[Condition, ...] = ()
    # Not compared, because it is no part of what is desired.
    tries: int | None = field(default=None, compare=False)
    given_up: Condition | None = None
    readable: bool = True
    autoscale: Mode | None = None
    # Not compared, because it is no part of what is desired.
    asked: Asked | None = field(default=None, compare=False)
    history: History = field(default=History(), compare=False)

    @property
    def target(self) -> Size:
        """The size that a running guest is driven to: the live size, else the persisted size."""
        return self.live or self.persisted

    @property
    def claim(self) -> Size:
        """The size that must stay claimed once the target is reached.

        That is the larger of the target and the persisted size, per resource. The guest starts next
        with the persisted size, and the host might have no room for it by then.
        """
        return self.persisted.at_least(self.target)

    def after(self, request: AdmittedRequest) -> Desired:
        """Return the record after ``request`` was admitted; its phase is ``admitted``.

        The generation grows by one if ``request`` changes the sizes or ``force``, or if this record
        stands in for an unreadable one. The tries begin at 0 again, and ``GaveUp`` ends. All else
        stays, such as recorded conditions and a pending removal.
        """
        progress = self.progress.admitted(request.request_id, request.now)
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
        """Return whether both desire the same persisted and live size with the same ``force``."""
        return (self.persisted, self.live, self.force) == (other.persisted, other.live, other.force)

    def same_record(self, other: Desired) -> bool:
        """Return whether both are equal in all values, also in the three that ``==`` ignores.

        These are ``tries``, ``asked`` and ``history``.
        """
        ignored = (self.tries, self.asked, self.history.entries())
        return self == other and ignored == (other.tries, other.asked, other.history.entries())

    def restarted(self) -> Desired:
        """Return the record after the guest has stopped: no live size, no pending removal.

        An adjustment to a live size that is under way is superseded.
        """
        past = self.history if self.live is None else self.history.superseded()
        return replace(self, live=None, removal_pending=None, history=past)


def from_metadata(
    metadata: Mapping[str, str], key: str, boot: Size, resized_from: str | None = None
) -> Desired:
    """Return the record that an instance has for one flavor, without :func:`read_record`'s checks.

    A record of another flavor does not count, except for its mode of automatic growth and its
    history, in which an adjustment under way is superseded. After the revert of a resize, the
    record that was kept for the revert counts.

    :param metadata: the instance's ``system_metadata``
    :param key: :func:`flavor_key` of the flavor
    :param boot: the desired size if there is no record of this flavor, as after a resize, or if the
        record lacks its vCPUs or memory
    :param resized_from: :func:`flavor_key` of the flavor before a resize that is not confirmed;
        else None. With it only a record that was written since the resize counts: an older record
        of this flavor does not, because the scheduler has claimed the boot size
    :raises UnreadableRecord: a number of a size, the generation or the pending removal is not an
        integer, is too small, or has more than 15 digits
    """
    record = _of_flavor(metadata, key, resized_from)
    persisted = values.size(record, "xloud_vcpus", "xloud_memory_mb")
    autoscale = mode_of(metadata.get(_AUTOSCALE))
    past = history.read(metadata)
    if persisted is None:
        return Desired(boot, autoscale=autoscale, history=past.superseded())
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
        autoscale=autoscale,
        asked=asked.read(record.get(_ASKED)),
        history=past,
    )


def read_record(
    metadata: Mapping[str, str],
    key: str,
    boot: Size,
    maximum: Size,
    resized_from: str | None = None,
) -> Desired:
    """Return the record of an instance, after checking that nova-xloud can have written it.

    Without a record of this flavor the result desires ``boot``.

    :param maximum: the flavor's vCPUs and memory; see :func:`from_metadata` for the others
    :raises UnreadableRecord: the record names no flavor, lacks a number of a size, has a size,
        generation or pending removal that cannot be read, or has a size above ``maximum``
    """
    flavor = metadata.get("xloud_flavor") or ""
    if record_in(metadata) and not _FLAVOR_KEY.match(flavor):
        raise UnreadableRecord(f"xloud_flavor is {flavor!r}, which names no flavor")
    desired = from_metadata(metadata, key, boot, resized_from)
    record = _of_flavor(metadata, key, resized_from)
    for names, needed in ((_PERSISTED, bool(record)), (_LIVE, not _LIVE.isdisjoint(record))):
        if needed and not names <= record.keys():
            raise UnreadableRecord(f"there is no {' and no '.join(sorted(names - record.keys()))}")
    for size in (desired.persisted, desired.claim):
        if not maximum.covers(size):
            raise UnreadableRecord(f"the size is {size}, and the flavor's maximum is {maximum}")
    return desired


def _of_flavor(
    metadata: Mapping[str, str], key: str, resized_from: str | None
) -> Mapping[str, str]:
    """Return the keys and values of the record of this flavor; empty if there is none.

    A value that is None becomes an empty string. If the record names another flavor and no resize
    waits to be confirmed, the record that was kept for a revert is used.
    """
    record = {name: value or "" for name, value in record_in(metadata).items()}
    if resized_from is not None:
        record = record if record.get(_RESIZED_FROM) == resized_from else {}
    elif record.get("xloud_flavor") != key:
        # After the revert of a resize the record of the flavor before counts again.
        record = _before(record)
    return record if record.get("xloud_flavor") == key else {}


def recorded_instead(metadata: Mapping[str, str], held: Size, maximum: Size) -> Desired:
    """Return a record that stands in for one that cannot be read: it desires the recorded size.

    The generation is kept if it can be read, else it is 0, and so is what can be read of the
    history. ``readable`` is False. All other values are those of an instance that was never
    adjusted.

    :param held: the size in the instance's columns; it is cut at ``maximum``
    :param maximum: the flavor's vCPUs and memory
    """
    try:
        generation = values.integer(metadata, "xloud_generation", least=0)
    except UnreadableRecord:
        generation = 0
    size = Size(min(held.vcpus, maximum.vcpus), min(held.memory_mb, maximum.memory_mb))
    past = history.read(metadata)
    return Desired(size, generation=generation, readable=False, history=past)


def to_metadata(desired: Desired, key: str) -> dict[str, str]:
    """Return ``desired`` as keys and values of ``system_metadata``, values cut at 255 characters.

    The revision and the keys of a resize are missing; :func:`replaced` adds them. The caller has to
    remove the ``xloud_*`` keys of the record before.

    :param key: :func:`flavor_key` of the flavor that the sizes belong to
    """
    progress = desired.progress
    data = {
        "xloud_flavor": key,
        "xloud_generation": str(desired.generation),
        "xloud_vcpus": str(desired.persisted.vcpus),
        "xloud_memory_mb": str(desired.persisted.memory_mb),
        "xloud_phase": f"{progress.phase.value}|{progress.since}|{progress.code}",
    }
    data |= _of_requests(desired)
    if desired.removal_pending is not None:
        data["xloud_removal_pending"] = str(desired.removal_pending)
    if progress.message:
        data["xloud_phase_message"] = progress.message
    if progress.request_id:
        data["xloud_request_id"] = progress.request_id
    if progress.superseded:
        data["xloud_superseded"] = ",".join(progress.superseded)
    for condition in desired.recorded_conditions:
        data[values.CONDITION + condition.type] = (
            f"{condition.since}|{condition.reason}|{condition.message}"
        )
    if desired.tries is not None:
        data[_TRIES] = str(desired.tries)
    if desired.given_up is not None:
        one = desired.given_up
        data[_GAVE_UP] = f"{one.since}|{one.reason}|{one.message}"
    data |= desired.history.to_metadata()
    return {name: value[:_LONGEST] for name, value in data.items()}


def _of_requests(desired: Desired) -> dict[str, str]:
    """Return the keys and values for live size, force, mode of automatic growth and ``asked``."""
    data: dict[str, str] = {}
    if desired.live is not None:
        data["xloud_live_vcpus"] = str(desired.live.vcpus)
        data["xloud_live_memory_mb"] = str(desired.live.memory_mb)
    if desired.force:
        data["xloud_force"] = "1"
    if desired.autoscale is not None:
        data[_AUTOSCALE] = desired.autoscale.value
    if desired.asked is not None:
        data[_ASKED] = str(desired.asked)
    return data


def record_in(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the ``xloud_*`` keys of a ``system_metadata``, with their values."""
    return {name: value for name, value in metadata.items() if name.startswith(PREFIX)}


def replaced(
    metadata: Mapping[str, str], desired: Desired, key: str, resized_from: str | None = None
) -> dict[str, str]:
    """Return ``metadata`` with ``desired`` as its record; keys other than ``xloud_*`` stay.

    The revision is one more than that of ``metadata``.

    :param key: :func:`flavor_key` of the flavor that the sizes belong to
    :param resized_from: :func:`flavor_key` of the flavor before a resize that is not confirmed,
        whose record is kept for a revert; else None
    """
    others = {name: value for name, value in metadata.items() if not name.startswith(PREFIX)}
    record = {**to_metadata(desired, key), _REVISION: str(_revision(metadata) + 1)}
    if resized_from is not None:
        record[_RESIZED_FROM] = resized_from
        before = metadata if metadata.get("xloud_flavor") == resized_from else _before(metadata)
        for name, value in record_in(before).items():
            if not name.startswith((_BEFORE, _REVISION, _RESIZED_FROM, history.PREFIX)):
                record[_BEFORE + name.removeprefix(PREFIX)] = value
    return {**others, **record}


def resized_from(metadata: Mapping[str, str]) -> str | None:
    """Return the :func:`flavor_key` of the flavor before a resize, as the record has it.

    The resize was not confirmed when the record was written; it may be since. None if the record
    has no such resize.
    """
    return metadata.get(_RESIZED_FROM)


def newer(mine: Mapping[str, str], stored: Mapping[str, str]) -> dict[str, str]:
    """Return ``mine`` with the newer of the two records, by ``xloud_revision``.

    The record of ``stored`` is taken if both have the same revision. Nova writes
    ``system_metadata`` whole, from a copy that it has read some time ago. Without this choice, an
    adjustment that was admitted since would be lost.

    :param mine: a ``system_metadata`` to be written
    :param stored: the ``system_metadata`` that the database has
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
    """Return the revision; 0 if it is missing or unreadable, so that the next change is newer."""
    try:
        return values.integer(metadata, _REVISION, least=0)
    except UnreadableRecord:
        return 0


def _tries(record: Mapping[str, str]) -> int | None:
    """Return the number of tries; None if it is absent or cannot be read.

    Tries that cannot be read do not make the record unreadable, because no size depends on them.
    """
    try:
        return values.integer(record, _TRIES, least=0) if _TRIES in record else None
    except UnreadableRecord:
        return None
