"""The one place where the cloud is faked: HTTP, below the real openstacksdk and the real client.

Its answers are docs/api_samples, which the functional tests write as the API gave them.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests_mock
from openstack.exceptions import SDKException
from openstack_auth import policy as horizons_rules
from openstack_dashboard.test import helpers

SAMPLES = Path(__file__).resolve().parents[2] / "docs" / "api_samples"
SERVER = "4c9b5e1a-0d2f-4a63-8e77-1f0a9b3c5d21"
OTHER_SERVER = "4c9b5e1a-0d2f-4a63-8e77-1f0a9b3c5d22"
# Horizon's test data replaces these two of openstacksdk's base class of errors, for good.
_OF_ERRORS = {name: vars(SDKException).get(name) for name in ("__init__", "__str__")}


def _with_real_errors() -> None:
    for name, real in _OF_ERRORS.items():
        if real is not None:
            setattr(SDKException, name, real)
        elif name in vars(SDKException):
            delattr(SDKException, name)


def sample(name: str) -> dict[str, Any]:
    """A sample of the documentation, which a test may change."""
    return json.loads((SAMPLES / f"{name}.json").read_text())


def two_servers(**more: Any) -> list[dict[str, Any]]:
    """The server of the sample, and one that gives back what it has too slowly.

    :param more: fields of both
    """
    (first,) = sample("servers-resp")["xloud_servers"]
    (second,) = sample("servers-resp")["xloud_servers"]
    reason = {"type": "GuestRefused", "status": True, "message": "", "since": ""}
    second |= {
        "id": OTHER_SERVER,
        "name": "db1",
        "converged": False,
        "vcpus": {"desired": 1, "reserved": 4},
        "conditions": [reason | {"reason": "xloud.guest_refused.vcpus_not_removed"}],
    }
    return [first | more, second | more]


def limits(**changed: Any) -> dict[str, Any]:
    """Nova's limits of a project for vCPUs and memory, some of them changed."""
    known = {"maxTotalCores": 20, "totalCoresUsed": 9, "maxTotalRAMSize": 51200}
    return known | {"totalRAMUsed": 2560} | changed


class FakeCloud:
    """What nova-api answers, and what it was asked.

    :ivar answers: for a method and the end of a path, of which the longest counts: a sample's name,
        a body, or an HTTP status without a message, or an error of the network; or a list of these,
        one for each request; changed by tests
    :ivar asked: the requests, as method, path, query and body
    :ivar timeouts: the different timeouts of the requests, in seconds
    :ivar verified: by path, how the certificate of the last request was to be checked
    """

    def __init__(self, project_id: str) -> None:
        self.asked: list[tuple[str, str, dict[str, list[str]], Any]] = []
        self.timeouts: set[float | None] = set()
        self.verified: dict[str, bool | str] = {}
        self.server = {"id": SERVER, "name": "web1", "tenant_id": project_id, "status": "ACTIVE"}
        self.answers: dict[tuple[str, str], Any] = {
            ("GET", "/xloud-status"): "status-resp",
            ("GET", "/xloud-history"): "history-resp",
            ("GET", "/os-xloud-servers"): {
                "xloud_servers": sample("servers-resp")["xloud_servers"]
            },
            ("POST", "dry-run"): "dry-run-resp",
            ("POST", "/os-xloud-adjust"): "adjust-resp",
            ("POST", "/action"): {},
            ("GET", "/servers"): {"server": self.server},
            ("GET", "/limits"): {"limits": {"rate": [], "absolute": limits()}},
            # Of Neutron: Nova's own page of a server asks for it.
            ("GET", "/extensions"): {"extensions": []},
        }

    def answer(self, request: Any, context: Any) -> Any:
        """Answer one request as nova-api would."""
        path = urlsplit(request.url).path
        body = request.json() if request.body else None
        self.timeouts.add(request.timeout)
        self.verified[path] = request.verify
        found = self._answer_to(request.method, path, body)
        found = found.pop(0) if isinstance(found, list) else found
        if isinstance(found, Exception):
            raise found
        if found is None:
            assert re.fullmatch(r"(/v[\d.]+)?(/[0-9a-f]{32}|/\d+)?/?", path), f"not faked: {path}"
            return self._versions(request.url)
        self.asked.append((request.method, path, parse_qs(urlsplit(request.url).query), body))
        if isinstance(found, int):
            # As Nova answers for a route that it does not have: in no form of its own.
            context.status_code = found
            return f"{found} of no form of Nova's"
        told = sample(found) if isinstance(found, str) else copy.deepcopy(found)
        context.headers["x-openstack-request-id"] = "req-1"
        context.status_code = self._http_status(request.method, told, body)
        return told

    def _answer_to(self, method: str, path: str, body: Any) -> Any:
        if method == "POST" and body and body.get("dry_run"):
            return self.answers["POST", "dry-run"]
        found = [
            (end, answer)
            for (wanted, end), answer in self.answers.items()
            if method == wanted and re.search(rf"{end}(/[0-9a-f-]{{36}})?$", path)
        ]
        return max(found, key=lambda one: len(one[0]), default=("", None))[1]

    @staticmethod
    def _http_status(method: str, told: Any, body: Any) -> int:
        if len(told) == 1 and isinstance(first := next(iter(told.values())), dict):
            return first.get("code", 200)
        return 202 if method == "POST" and not (body or {}).get("dry_run") else 200

    @staticmethod
    def _versions(url: str) -> Any:
        """Nova's description of its one version, which openstacksdk asks for first."""
        link = {"rel": "self", "href": url}
        version = {"id": "v2.1", "status": "CURRENT", "version": "2.100", "min_version": "2.1"}
        return {"version": version | {"links": [link]}}

    def posted(self, end: str) -> list[Any]:
        """The bodies that were sent to paths that end so."""
        return [body for method, path, _, body in self.asked if method == "POST" and end in path]

    def sizes_asked(self) -> dict[str, Any]:
        """By server what was asked for; of several servers the order is not known."""
        adjusted = (one for one in self.asked if "/os-xloud-adjust/" in one[1])
        return {path.rsplit("/", 1)[1]: body for _, path, _, body in adjusted}

    def reads(self, end: str) -> int:
        """How often paths that end so were read."""
        return sum(method == "GET" and path.endswith(end) for method, path, _, _ in self.asked)


class TestCase(helpers.TestCase):
    """A user of Horizon, and a cloud that is faked."""

    ROLES = ("admin", "member", "reader")

    def setUp(self) -> None:
        super().setUp()
        _with_real_errors()
        self.log_in(*self.ROLES)
        self.cloud = FakeCloud(self.tenant.id)
        mocker = requests_mock.Mocker()
        mocker.start()
        self.addCleanup(mocker.stop)
        mocker.register_uri(requests_mock.ANY, requests_mock.ANY, json=self.cloud.answer)

    def log_in(self, *roles: str) -> None:
        """The same user has these roles now."""
        self.setActiveUser(
            id=self.user.id,
            token=self.token,
            username=self.user.name,
            domain_id=self.domain.id,
            user_domain_name=self.domain.name,
            tenant_id=self.tenant.id,
            service_catalog=self.service_catalog,
            authorized_tenants=self.context["authorized_tenants"],
            roles=[{"id": role, "name": role} for role in roles],
        )
        self._setup_request()
        from openstack_auth import utils

        self.request.user = utils.get_user(self.request)

    def load_rules_again(self) -> None:
        """Horizon has the rules of the settings that a test has changed, until the test ends."""
        horizons_rules.reset()
        self.addCleanup(horizons_rules.reset)

    def text(self, response: Any) -> str:
        """What a browser shows of a page, without tags, in one line."""
        import html

        page = response if isinstance(response, str) else response.content.decode()
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
