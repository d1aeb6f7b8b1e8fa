# SPDX-License-Identifier: Apache-2.0
"""What the forms of the page send, and what its script asks for.

Every form works without the script: it is answered with a page, or leads back to Nova's own page of
the server. The script gets a part of such a page.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.generic import View
from horizon import exceptions
from horizon.utils import http as http_utils

from nova_xloud.client.errors import AdjustmentRefused
from xloud_dashboard import api, permissions
from xloud_dashboard.size import page, past
from xloud_dashboard.size.actions import ACTIONS
from xloud_dashboard.size.forms import ADMIN, APPLY, PROJECT, BackForm, ModeForm, SizeForm


class ServerView(View):
    """The base of the views of one server.

    :cvar problem_template: what the script gets if the API does not answer
    """

    problem_template = "xloud_dashboard/_problem.html"

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer the request, also where the API refuses to tell of the server or does not answer.

        The script gets the problem in words: a message of Horizon's would be shown by the next page
        only, one for each time that the script has asked. A browser is led to Nova's list of
        servers.

        :raises horizon.exceptions.NotFound: there is no server that the user may see
        """
        try:
            return super().dispatch(request, *args, **kwargs)
        except api.ERRORS as error:
            problem = api.Problem.of(error)
            if http_utils.is_ajax(request):
                html = render_to_string(self.problem_template, {"problem": problem}, request)
                return _told({"admitted": None, "html": html}, problem)
            if problem.is_missing:
                raise exceptions.NotFound(str(error)) from error
            messages.error(request, str(error))
            return redirect("horizon:project:instances:index")

    def shown(self, request: Any, server_id: UUID) -> page.Shown:
        """Return the server, as the page shows it.

        :raises openstack.exceptions.SDKException: there is none that the user may see, or Nova does
            not answer
        """
        back = request.POST.get("back", request.GET.get("back", PROJECT))
        found = api.server(request, str(server_id))
        return page.Shown(
            found.id,
            found.name,
            found.project_id,
            ADMIN if back == ADMIN else PROJECT,
            found.compute_host or "",
            found.hypervisor_hostname or "",
        )

    def require(self, request: Any, shown: page.Shown) -> None:
        """Raise unless the user may adjust the server.

        :raises horizon.exceptions.NotAuthorized: a rule does not allow it
        """
        if not permissions.may(request, permissions.ADJUST, shown.project_id):
            raise exceptions.NotAuthorized()


class PolledView(ServerView):
    """The base of what the script asks for again and again, which keeps nobody logged in."""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer the request, and leave the session as it is.

        Horizon lets the session end later with each request (``SESSION_REFRESH``). To save it would
        also undo what another request has saved in it meanwhile, such as a dismissed
        recommendation.
        """
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            request.session.modified = False


class ButtonView(ServerView):
    """The base of what has no page of its own.

    A browser asks for such an address where a session has ended on an open page: the login leads to
    the address of the form that was sent last.
    """

    def get(self, request: Any, server_id: UUID) -> HttpResponse:
        """Go back to the server; nothing is done."""
        return redirect(self.shown(request, server_id).url)


class SizeView(ServerView):
    """The form for a size: what it would do, and doing it."""

    problem_template = "xloud_dashboard/_unread.html"

    def get(self, request: Any, server_id: UUID) -> HttpResponse:
        """Answer with the page of the size alone, for browsers without the script."""
        shown = self.shown(request, server_id)
        return _page(request, shown, {})

    def post(self, request: Any, server_id: UUID) -> HttpResponse:
        """Adjust the server, or answer with what that would do."""
        shown = self.shown(request, server_id)
        self.require(request, shown)
        form = SizeForm(request.POST)
        if not form.is_valid():
            return _answer(request, shown, {"refusal": api.Problem(form.in_words)}, form)
        xloud = api.xloud(request)
        try:
            if request.POST.get("do") != APPLY:
                plan = xloud.plan(shown, **form.asked)
                return _answer(request, shown, page.plan_context(request, shown, plan), form)
            adjustment = xloud.adjust(shown, **form.asked)
        except api.ERRORS as error:
            if http_utils.is_ajax(request) and not isinstance(error, AdjustmentRefused):
                raise  # no refusal: what would happen is not known
            return _answer(request, shown, {"refusal": api.Problem.of(error)}, form)
        asked = {"size": adjustment, "server": shown.name, "id": adjustment.request_id}
        messages.success(request, _("%(size)s for %(server)s is admitted (%(id)s).") % asked)
        return redirect(shown.url)


class LiveView(PolledView):
    """The part of the page that the script reads again and again."""

    def get(self, request: Any, server_id: UUID) -> HttpResponse:
        """Answer with the part, or without it if the page has shown the same already.

        A 404 always has the part: the script reads no more after it.

        :raises horizon.exceptions.NotFound: there is no server that the user may see
        """
        # Only what is offered depends on the project; the API decides by the server's own.
        project_id = request.GET.get("project", "")
        back = ADMIN if request.GET.get("back") == ADMIN else PROJECT
        shown = page.Shown(str(server_id), "", project_id, back)
        context = page.live_context(request, shown)
        problem = context.get("problem")
        if problem is not None and problem.is_missing and not http_utils.is_ajax(request):
            raise exceptions.NotFound(problem.message)
        told = {
            "mark": context["mark"],
            "seconds": page.seconds(context["status"]),
            "reading": past.reading(context["status"]),
        }
        is_missing = problem is not None and problem.is_missing
        if is_missing or request.GET.get("mark") != context["mark"]:
            told["html"] = render_to_string("xloud_dashboard/_live.html", context, request)
        return _told(told, problem)


class PastView(PolledView):
    """The charts of the last hour, which the script has drawn again and again."""

    problem_template = "xloud_dashboard/_past.html"

    def get(self, request: Any, server_id: UUID) -> HttpResponse:
        """Answer with the charts of what Prometheus has.

        :raises horizon.exceptions.NotAuthorized: the user may not see sizes of the server's project
        """
        return self._charts(request, server_id, "")

    def post(self, request: Any, server_id: UUID) -> HttpResponse:
        """Answer with the charts of the readings that are sent, where there is no Prometheus.

        :raises horizon.exceptions.NotAuthorized: the user may not see sizes of the server's project
        """
        return self._charts(request, server_id, request.POST.get("readings", ""))

    def _charts(self, request: Any, server_id: UUID, kept: str) -> HttpResponse:
        shown = self.shown(request, server_id)
        if not permissions.may(request, permissions.STATUS, shown.project_id):
            raise exceptions.NotAuthorized()
        # The API decides whether the user may see sizes, before Prometheus is asked.
        history = api.xloud(request).get_history(shown)
        context = {"past": past.past(shown.id, shown.project_id, history, kept)}
        html = render_to_string("xloud_dashboard/_past.html", context, request)
        return JsonResponse({"html": html})


class ModeView(ButtonView):
    """The mode of automatic growth."""

    def post(self, request: Any, server_id: UUID) -> HttpResponse:
        """Ask for the mode, and go back to the server."""
        shown = self.shown(request, server_id)
        if not page.may_set_mode(request, shown):
            raise exceptions.NotAuthorized()
        form = ModeForm(request.POST)
        if not form.is_valid():
            return HttpResponseBadRequest(_("There is no such mode."))
        mode = form.cleaned_data["mode"]
        try:
            api.xloud(request).adjust(shown, autoscale=mode)
        except api.ERRORS as error:
            return _page(request, shown, {"refusal": api.Problem.of(error)})
        asked = {"mode": mode, "server": shown.name}
        messages.success(request, _("Automatic growth of %(server)s: %(mode)s.") % asked)
        return redirect(shown.url)


class HideView(ButtonView):
    """A recommendation that the user does not want to see any more."""

    def post(self, request: Any, server_id: UUID) -> HttpResponse:
        """Remember it until the user logs out, and go back to the server."""
        shown = self.shown(request, server_id)
        page.hide(request, shown.id, request.POST.get("recommended", "")[:100])
        return redirect(shown.url)


class ActView(ButtonView):
    """What Nova itself can do about a condition."""

    def post(self, request: Any, server_id: UUID) -> HttpResponse:
        """Do it, and go back to the server."""
        shown = self.shown(request, server_id)
        action = ACTIONS.get(request.POST.get("action", ""))
        if action is None or not BackForm(request.POST).is_valid():
            return HttpResponseBadRequest(_("There is no such action."))
        if not permissions.may_in_nova(request, action.rule, shown.project_id):
            raise exceptions.NotAuthorized()
        try:
            action.do(api.connection(request).compute, shown.id)
        except api.ERRORS as error:
            return _page(request, shown, {"refusal": api.Problem.of(error)})
        messages.success(request, f"{action.label}: {shown.name}")
        return redirect(shown.url)


def _told(told: dict[str, Any], problem: api.Problem | None) -> JsonResponse:
    """Answer the script, with status 404 if there is no server that the user may see."""
    is_missing = problem is not None and problem.is_missing
    return JsonResponse(told, status=404 if is_missing else 200)


def _answer(
    request: Any, shown: page.Shown, answer: dict[str, Any], form: SizeForm
) -> HttpResponse:
    """Answer the script with the plan or the refusal, or a browser with a page that has it."""
    if not http_utils.is_ajax(request):
        return _page(request, shown, answer | {"sent": form})
    html = render_to_string("xloud_dashboard/_plan.html", answer, request)
    return JsonResponse({"admitted": answer.get("refusal") is None, "html": html})


def _page(request: Any, shown: page.Shown, answer: dict[str, Any]) -> HttpResponse:
    context = page.tab_context(request, shown) | answer | {"page_title": shown.name}
    return render(request, "xloud_dashboard/size.html", context)
