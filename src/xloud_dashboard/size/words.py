# SPDX-License-Identifier: Apache-2.0
"""What a status says, in words: a sentence, the way of an adjustment, and what is to be done.

Codes and messages are the API's, and advice is the table of remedies'. Nothing here computes a size
that the API did not answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from nova_xloud.client import Condition, Stage, Status
from nova_xloud.client.advice import next_step
from nova_xloud.client.waiting import note, stages, unconfirmed

CONVERGED = "Converged"
# Reasons of Converged on the way, of which the lamps say more than a card could.
_ON_THE_WAY = ("xloud.admitted", "xloud.converging")
_BOOTING = "Booting"
_RESOURCES = {"vcpus": "vCPUs", "memory_mb": "memory"}


def sentence(status: Status) -> str:
    """Return one sentence that says what the server has and is to have."""
    if status.is_in_part:
        return _("It is not known what the server has and is to have, nor what is claimed for it.")
    numbers = status.numbers
    told = {
        "desired": numbers.desired,
        "claimed": numbers.reserved,
        "most": status.maximum,
        "next": status.current,
    }
    if numbers.actuated is None:
        return (
            _(
                "The server is to have %(desired)s; %(claimed)s are claimed for it, and what its "
                "guest has is not known."
            )
            % told
        )
    if not status.running:
        return (
            _(
                "The server does not run: it will start with %(next)s, and %(claimed)s are "
                "claimed for it."
            )
            % told
        )
    told["has"] = numbers.observed.at_least_known(numbers.actuated)
    if status.converged:
        return (
            _(
                "The server has %(has)s of at most %(most)s; %(claimed)s are claimed for it, and "
                "nothing is left to do."
            )
            % told
        )
    if told["has"] == numbers.desired:
        return (
            _(
                "The server was given %(desired)s, its guest is not seen to have all of it yet, "
                "and %(claimed)s are claimed for it."
            )
            % told
        )
    return (
        _(
            "The server has %(has)s and is to have %(desired)s; %(claimed)s are claimed for it, "
            "and at most %(most)s are possible."
        )
        % told
    )


@dataclass(frozen=True)
class Lamp:
    """One stage of an adjustment.

    :ivar name: the stage, such as ``claimed``
    :ivar state: ``on``, ``off``, or ``unknown`` where nobody can tell
    :ivar word: the state in words
    """

    name: str
    state: str
    word: str


def lamps(status: Status) -> Iterator[Lamp]:
    """Yield the four stages on the way to the desired size."""
    reached = set(stages(status))
    for stage in Stage:
        name = _STAGES[stage]()
        if stage in reached:
            yield Lamp(name, "on", _("done"))
        elif _is_unknown(status, stage):
            yield Lamp(name, "unknown", _("nobody can tell"))
        elif status.running is False and stage in (Stage.SET, Stage.SEEN):
            yield Lamp(name, "off", _("when the server starts"))
        else:
            yield Lamp(name, "off", _("not yet"))


def _is_unknown(status: Status, stage: Stage) -> bool:
    if stage is Stage.CLAIMED:
        return status.is_in_part
    if stage is Stage.SEEN:
        return not status.from_host or bool(unconfirmed(status))
    return stage is Stage.SET and not status.from_host


_STAGES = {
    Stage.ASKED: lambda: _("asked"),
    Stage.CLAIMED: lambda: _("claimed"),
    Stage.SET: lambda: _("set"),
    Stage.SEEN: lambda: _("seen in the guest"),
}


def remarks(status: Status) -> Iterator[str]:
    """Yield what else is to be known of the adjustment: why it takes longer, what nobody sees."""
    yield from filter(None, [note(status)])
    if Stage.SET in stages(status) and (told := unconfirmed(status)):
        yield told


@dataclass(frozen=True)
class Card:
    """Something that is not as it should be.

    :ivar title: the type of the condition, or what cannot be adjusted
    :ivar code: the stable reason code
    :ivar message: the API's message; may be empty
    :ivar since: since when, ISO 8601; may be empty
    :ivar advice: what to do; may be empty
    """

    title: str
    code: str
    message: str
    since: str
    advice: str


def cards(status: Status) -> Iterator[Card]:
    """Yield a card for each reason that something is not as it should be, and for each blocker.

    A reason that several conditions or blockers have is one card.
    """
    seen = set()
    for one in wrong(status.conditions):
        if one.reason not in seen:
            seen.add(one.reason)
            title = _("Size not reached") if one.type == CONVERGED else one.type
            yield Card(title, one.reason, one.message, one.since, next_step(one.reason))
    for blocker in status.blockers:
        if blocker.code not in seen:
            seen.add(blocker.code)
            resource = _RESOURCES.get(blocker.resource, blocker.resource)
            title = _("%s cannot be adjusted freely") % resource
            yield Card(title, blocker.code, blocker.message, "", next_step(blocker.code))


def wrong(conditions: Iterable[Condition]) -> list[Condition]:
    """Return the conditions that are not as they should be, the more particular ones first.

    That a server is on its way to another size is as it should be.
    """
    found = [
        one
        for one in conditions
        if one.status is not (one.type == CONVERGED)
        and not (one.type == CONVERGED and one.reason in _ON_THE_WAY)
    ]
    return sorted(found, key=lambda one: one.type == CONVERGED)


def is_changing(status: Status) -> bool:
    """Return whether the numbers of the server change now, as far as is known.

    That is so while a run works or is about to, and while the balloon of a guest that boots is on
    its way. A guest that has refused, and an adjustment that waits, change nothing for minutes.
    """
    converged = status.condition(CONVERGED)
    is_driven = converged is not None and converged.reason in _ON_THE_WAY
    return status.from_host and (is_driven or status.condition(_BOOTING) is not None)


def without_ages(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the body of a status without what is another number each time, and is not shown."""
    told = body.get("autoscale")
    return {**body, "autoscale": told and {**told, "age_seconds": None}}


def mark(*parts: Any) -> str:
    """Return a text that is another one if what a page shows has changed."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
