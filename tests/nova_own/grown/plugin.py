# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin that has Nova's own tests look at grown instances only.

Use it beside :mod:`tests.nova_own.plugin`: ``pytest -p tests.nova_own.plugin
-p tests.nova_own.grown.plugin``. The flavor of each server that a test creates gets minimums, where
nova-xloud allows them. A server that a test sees as ACTIVE for the first time is grown to its
flavor's size before the test gets the answer. Each test's report has the number of servers that
were grown, in ``user_properties``.

The flavor of a resize is left as it is, unless NOVA_XLOUD_GROWN_RESIZE is 1: such a resize starts
the server with the new flavor's minimum, and none of Nova's tests can expect that.
"""

import os
import re

import pytest
from nova import conf
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.api import client

from nova_xloud.testing import FakeLibvirtFixture
from nova_xloud.testing.behaviour import Timing
from tests.nova_own.grown.cloud import Grower
from tests.nova_own.grown.swap import flavor_in
from tests.nova_own.grown.tally import Tally

Client = client.TestOpenStackClient
PROPERTY = "grown"
# Seconds. Guests of the fake follow at once, so more is lost time.
OPTIONS = {"poll_interval": 0.02, "step_timeout": 5}
ONE_SERVER = re.compile(r"/servers/[^/?]+$")
RESIZES_TOO = os.environ.get("NOVA_XLOUD_GROWN_RESIZE") == "1"


class UnwatchedClient(Client):
    """Nova's REST client with the methods that it had before this plugin replaced some."""

    api_get = Client.api_get


@pytest.fixture(autouse=True)
def grown_instances(request, monkeypatch):
    """Grow the servers of one test, and report how many."""
    tally = Tally()
    request.node.user_properties.append((PROPERTY, tally.data))
    grower = Grower(UnwatchedClient, tally, lambda: getattr(request.instance, "computes", {}))
    for name, value in OPTIONS.items():
        conf.CONF.set_override(name, value, "xloud")
    watch(monkeypatch, grower)
    give_guests_a_size(monkeypatch)
    yield
    for name in OPTIONS:
        conf.CONF.clear_override(name, "xloud")


def watch(monkeypatch, grower):
    """Have every REST client of the test give flavors minimums, and show grown servers."""
    get, post = Client.api_get, Client.api_post

    def post_with_minimums(self, uri, body, **options):
        if named := flavor_in(uri, body, resizes=RESIZES_TOO):
            grower.give_minimums(*named)
        return post(self, uri, body, **options)

    def get_grown(self, uri, **options):
        answer = get(self, uri, **options)
        if ONE_SERVER.match(uri) and answer.status == 200:
            server = answer.body.get("server", {})
            grows = server.get("status") == "ACTIVE"
            if grows and grower.grow(self.base_url, self.project_id, server):
                return get(self, uri, **options)
        return answer

    monkeypatch.setattr(Client, "api_post", post_with_minimums)
    monkeypatch.setattr(Client, "api_get", get_grown)


def give_guests_a_size(monkeypatch):
    """Have the guests of Nova's fake libvirt grow and shrink, and do so at once."""
    start = fakelibvirt.LibvirtFixture.setUp

    def start_with_guests(fixture):
        start(fixture)
        fixture.useFixture(FakeLibvirtFixture(timing=Timing(balloon_rate=float("inf"))))

    monkeypatch.setattr(fakelibvirt.LibvirtFixture, "setUp", start_with_guests)
