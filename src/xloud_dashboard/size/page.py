# SPDX-License-Identifier: Apache-2.0
"""Everything that the page shows of a server, read with the user's token."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from nova_xloud.client import Plan, Status, in_words
from nova_xloud.client.advice import next_step
from xloud_dashboard import api, permissions
from xloud_dashboard.config import config
from xloud_dashboard.size import actions, bars, past, room, words
from xloud_dashboard.size.forms import ADMIN, MODES

URLS = "horizon:project:elastic_servers"
# The session keeps for which recommendation somebody has said that it is not to be shown.
HIDDEN = "xloud_hidden_recommendations"
_MOST_HIDDEN = 50


@dataclass(frozen=True)
class Shown:
    """The server that a page is about.

    :ivar back: the dashboard whose page of the server the forms lead back to
    :ivar host: the compute host; empty if it is not known, as to who may not see it
    :ivar hypervisor: the host name of the hypervisor there; empty as that of ``host``
    """

    id: str
    name: str
    project_id: str
    back: str
    host: str = ""
    hypervisor: str = ""

    @property
    def url(self) -> str:
        """The address of Nova's own page of the server, with the tab of this plugin open."""
        detail = reverse(f"horizon:{self.back}:instances:detail", args=[self.id])
        return f"{detail}?tab=instance_details__xloud_size"


def tab_context(request: Any, shown: Shown) -> dict[str, Any]:
    """Return what the templates of the tab need."""
    context = live_context(request, shown)
    settings = config()
    return context | {
        "may_adjust": permissions.may(request, permissions.ADJUST, shown.project_id),
        "may_set_mode": may_set_mode(request, shown),
        "modes": MODES,
        "meanings": bars.MEANINGS,
        "past": _past(shown, context),
        "past_seconds": past.SECONDS,
        "has_prometheus": bool(settings.prometheus_url),
        "reading": past.reading(context["status"]),
        "seconds": seconds(context["status"]),
        "seconds_at_rest": settings.seconds_at_rest,
        "form_url": reverse(f"{URLS}:size", args=[shown.id]),
        "live_url": reverse(f"{URLS}:live", args=[shown.id]),
        "mode_url": reverse(f"{URLS}:mode", args=[shown.id]),
        "past_url": reverse(f"{URLS}:past", args=[shown.id]),
        "others_url": reverse(f"{URLS}:index"),
    }


def may_set_mode(request: Any, shown: Shown) -> bool:
    """Return whether the user may set the mode of the server's automatic growth."""
    rules = (permissions.ADJUST, permissions.AUTOSCALE)
    return all(permissions.may(request, rule, shown.project_id) for rule in rules)


def live_context(request: Any, shown: Shown) -> dict[str, Any]:
    """Return what the part of the page needs that is read again and again."""
    context: dict[str, Any] = {"shown": shown, "status": None, "is_admin": shown.back == ADMIN}
    try:
        status = api.xloud(request).get_status(shown)
        history = api.xloud(request).get_history(shown)
        cards = list(words.cards(status))
        server = _server(request, shown, status, cards)
    except api.ERRORS as error:
        problem = api.Problem.of(error)
        return context | {"problem": problem, "mark": words.mark(problem)}
    may_adjust = permissions.may(request, permissions.ADJUST, shown.project_id)
    recommended = _recommended(request, shown, status)
    with_actions, ways_on = _actions(request, shown, status, server, cards)
    possible = [one.name for found in (ways_on, *with_actions.values()) for one in found]
    return context | {
        "status": status,
        "mark": words.mark(words.without_ages(status.body), history, recommended, possible),
        "bars": bars.bars_of(status),
        "sentence": words.sentence(status),
        "ways_on": ways_on,
        "is_adjusted": bool(history) or status.generation > 0,
        "lamps": list(words.lamps(status)),
        "asked_at": _asked_at(status, history),
        "remarks": list(words.remarks(status)),
        "cards": with_actions.items(),
        "history": history,
        "autoscale": status.autoscale,
        "recommended": recommended,
        "may_adjust": may_adjust,
        "form_url": reverse(f"{URLS}:size", args=[shown.id]),
        "act_url": reverse(f"{URLS}:act", args=[shown.id]),
        "hide_url": reverse(f"{URLS}:hide", args=[shown.id]),
    }


def seconds(status: Status | None) -> int:
    """Return after how many seconds the status is to be read again."""
    changing = status is not None and words.is_changing(status)
    return config().seconds_while_changing if changing else config().seconds_at_rest


def plan_context(request: Any, shown: Shown, plan: Plan) -> dict[str, Any]:
    """Return what the template of a dry run needs."""
    refusal = plan.refusal
    return {
        "room": room.room(request, shown, plan),
        "plan": plan,
        "stays_claimed": plan.claim is not None and plan.claim != plan.desired,
        "steps": [in_words.step(step) for step in plan.steps],
        "refusal": refusal and api.Problem(refusal.message, refusal.code, next_step(refusal.code)),
        "blockers": plan.blockers,
    }


def hide(request: Any, shown_id: str, recommended: str) -> None:
    """Show no more, until the user logs out, that this size is recommended for the server."""
    hidden = dict(request.session.get(HIDDEN, {}))
    hidden.pop(shown_id, None)
    hidden[shown_id] = recommended
    request.session[HIDDEN] = dict(list(hidden.items())[-_MOST_HIDDEN:])


def _recommended(request: Any, shown: Shown, status: Status) -> dict[str, Any] | None:
    """Return the recommended size and why; None if there is none, or the user has hidden it."""
    if not status.recommends_change or status.autoscale is None:
        return None
    size = status.autoscale.recommendation
    if request.session.get(HIDDEN, {}).get(shown.id) == str(size):
        return None
    return {
        "size": size,
        "was": status.numbers.desired,
        "key": str(size),
        "since": status.autoscale.since,
        "reasons": status.autoscale.reasons,
    }


def _server(request: Any, shown: Shown, status: Status, cards: list[words.Card]) -> Any:
    """Return the server as Nova has it; None if no action may depend on that."""
    is_needed = status.running is False or any(actions.named(card.advice) for card in cards)
    return api.server(request, shown.id) if is_needed else None


def _actions(
    request: Any, shown: Shown, status: Status, server: Any, cards: list[words.Card]
) -> tuple[dict[words.Card, list[actions.Action]], list[actions.Action]]:
    """Return what Nova can do about each card; and to a server that is stopped, beside that.

    Some advice begins with a stop, after which its card is gone.
    """
    offered = functools.partial(actions.offered, request, shown.project_id, status, server)
    with_actions = {card: list(offered(card.advice)) for card in cards}
    in_cards = [action for found in with_actions.values() for action in found]
    start = actions.ACTIONS["start"].command if status.running is False else ""
    return with_actions, [action for action in offered(start) if action not in in_cards]


def _past(shown: Shown, context: dict[str, Any]) -> past.Past | None:
    """Return the last hour, with what the API has answered already; None if it has refused."""
    if context["status"] is None:
        return None
    return past.past(shown.id, shown.project_id, context["history"])


def _asked_at(status: Status, history: Any) -> str:
    """Return when the desired size was asked for; empty if the history does not say."""
    newest = history[0] if history else None
    return newest.at if newest is not None and newest.after == status.numbers.desired else ""
