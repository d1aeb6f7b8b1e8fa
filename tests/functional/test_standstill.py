# SPDX-License-Identifier: Apache-2.0
"""A cloud is at rest only once no message is on its way, even if no thread works on one."""

import time

import oslo_messaging as messaging
import pytest
from nova.conf import CONF

from nova_xloud import releases
from tests.functional import standstill

pytestmark = pytest.mark.skipif(
    releases.major() < 34, reason="there are no copies where Nova is on eventlet"
)
HOPS = 8


class Hopping:
    """Two services; each passes a message on to the other without waiting for it."""

    def __init__(self, slow):
        transport = messaging.get_rpc_transport(CONF, url="fake:")
        self.seen = []
        self.servers = []
        self._slow = slow
        for name in ("one", "another"):
            target = messaging.Target(topic="hops", server=name)
            server = messaging.get_rpc_server(transport, target, [self], executor="threading")
            self.servers.append(server)
        self._client = messaging.get_rpc_client(transport, messaging.Target(topic="hops"))

    def start(self):
        for server in self.servers:
            take = server._on_incoming
            server._on_incoming = lambda incoming, take=take: (
                time.sleep(self._slow),
                take(incoming),
            )
            server.start()

    def stop(self):
        for server in self.servers:
            server.stop()
            server.wait()

    def send(self, left):
        to = self._client.prepare(server="one" if left % 2 else "another")
        to.cast({}, "hop", left=left)

    def hop(self, context, left):
        self.seen.append(left)
        if left:
            self.send(left - 1)


@pytest.mark.parametrize("slow", [0, 0.03], ids=["in a queue", "in a listener's hand"])
def test_a_cloud_is_not_at_rest_while_a_message_is(monkeypatch, slow):
    movement = standstill.Movement(monkeypatch)
    hopping = Hopping(slow)
    hopping.start()
    try:
        hopping.send(HOPS)
        movement.come_to_rest(20)
        assert hopping.seen == [*reversed(range(HOPS + 1))]
    finally:
        hopping.stop()
