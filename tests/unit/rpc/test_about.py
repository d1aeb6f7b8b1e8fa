# SPDX-License-Identifier: Apache-2.0
"""What a service says of itself, and how who asks tells the kinds of silence apart."""

from __future__ import annotations

import importlib.metadata
from types import SimpleNamespace
from typing import Any

import oslo_messaging as messaging
import pytest
from oslo_messaging.rpc.dispatcher import RPCDispatcher

from nova_xloud.errors import HostUnavailable, HostUnsupported
from nova_xloud.rpc import client
from nova_xloud.rpc.about import AboutEndpoint
from nova_xloud.rpc.versions import FIRST, NAMESPACE, VERSION
from tests.unit.rpc.test_client import Wire, wire

__all__ = ["wire"]


def about(wire: Wire) -> Any:
    return client.XloudAPI().about("context", "conductor", "control1")


def test_it_says_versions_and_the_options_as_they_are_now() -> None:
    options = {"[a] b": 1}
    endpoint = AboutEndpoint(lambda: options)
    options["[a] b"] = 2
    assert endpoint.about("context") == {
        "result": {
            "package": importlib.metadata.version("nova-xloud"),
            "rpc_version": VERSION,
            "options": {"[a] b": 2},
        }
    }


def test_it_is_asked_for_in_the_first_version_and_not_waited_for_long(wire: Wire) -> None:
    wire.answer = AboutEndpoint(lambda: {}).about("context")
    assert about(wire) == wire.answer["result"]
    assert wire.prepared == [
        {"topic": "conductor", "server": "control1", "version": FIRST, "timeout": 10}
    ]
    assert wire.calls == [("about", {})]


@pytest.mark.parametrize("where", ["here", "there"])
def test_one_that_does_not_know_the_call_is_older(wire: Wire, where: str) -> None:
    here: Exception = messaging.NoSuchMethod("about")
    wire.answer = here if where == "here" else messaging.RemoteError("NoSuchMethod", "about")
    assert about(wire) is None


@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (messaging.MessagingTimeout(), HostUnavailable, "within 10 s"),
        (messaging.UnsupportedVersion("1.0"), HostUnsupported, "conductor on control1"),
        (messaging.RemoteError("UnsupportedVersion", "1.0"), HostUnsupported, "without nova-xloud"),
        (messaging.RemoteError("ZeroDivisionError", "bug"), HostUnavailable, "ZeroDivisionError"),
        (messaging.MessageDeliveryFailure("no broker"), HostUnavailable, "no broker"),
    ],
    ids=["no answer", "stock", "stock there", "a fault there", "no broker"],
)
def test_whatever_else_is_told_apart(
    wire: Wire, error: Exception, raised: type[Exception], words: str
) -> None:
    wire.answer = error
    with pytest.raises(raised, match=words):
        about(wire)


class Older:
    """As the endpoint of an older nova-xloud, at whatever version."""

    def __init__(self, version: str) -> None:
        self.target = messaging.Target(namespace=NAMESPACE, version=version)


class Stock:
    target = messaging.Target(version="6.4")


@pytest.mark.parametrize(
    ("endpoints", "raised"),
    [
        ([Stock()], messaging.UnsupportedVersion),
        ([Stock(), Older("1.0")], messaging.NoSuchMethod),
        ([Stock(), Older("1.2")], messaging.NoSuchMethod),
    ],
    ids=["stock", "1.0", "1.2"],
)
def test_oslo_messaging_raises_these_for_a_missing_endpoint(
    endpoints: list[Any], raised: type[Exception]
) -> None:
    message = {"method": "about", "namespace": NAMESPACE, "version": FIRST, "args": {}}
    incoming = SimpleNamespace(ctxt={}, message=message, client_timeout=None)
    dispatcher = RPCDispatcher(endpoints, messaging.NoOpSerializer())
    with pytest.raises(raised):
        dispatcher.dispatch(incoming)
    both = RPCDispatcher([*endpoints, AboutEndpoint(dict)], messaging.NoOpSerializer())
    assert both.dispatch(incoming)["result"]["rpc_version"] == VERSION
