# SPDX-License-Identifier: Apache-2.0
"""The RPC endpoint by which a service of Nova reports its nova-xloud version and options."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

import oslo_messaging as messaging

from nova_xloud.rpc.versions import NAMESPACE, VERSION

# Returns the values of options by ``[group] name``, as this service has them.
Options = Callable[[], Mapping[str, Any]]


class AboutEndpoint:
    """Answers the RPC call ``about`` in nova-compute, nova-conductor and nova-scheduler.

    It is the only call of nova-xloud that the last two answer.

    :param options: returns the options to report, each time it is called
    """

    target = messaging.Target(namespace=NAMESPACE, version=VERSION)

    def __init__(self, options: Options) -> None:
        self._options = options

    def about(self, context: Any) -> dict[str, Any]:
        """Return the versions of nova-xloud and of its RPC in this service, and its options.

        :returns: ``{"result": {"package": version, "rpc_version": version, "options": {...}}}``
        """
        return {
            "result": {
                "package": package_version(),
                "rpc_version": VERSION,
                "options": dict(self._options()),
            }
        }


def package_version() -> str:
    """Return the version of the nova-xloud that is installed here."""
    return importlib.metadata.version("nova-xloud")
