# SPDX-License-Identifier: Apache-2.0
"""What a service of Nova that runs with nova-xloud says of itself."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

import oslo_messaging as messaging

from nova_xloud.rpc.versions import NAMESPACE, VERSION

# Options by ``[group] name``, as the service has them.
Options = Callable[[], Mapping[str, Any]]


class AboutEndpoint:
    """One call, beside whatever else a service answers: of conductor and scheduler the only one.

    :param options: those that the service is asked for
    """

    target = messaging.Target(namespace=NAMESPACE, version=VERSION)

    def __init__(self, options: Options) -> None:
        self._options = options

    def about(self, context: Any) -> dict[str, Any]:
        """``{"result": {"package": version, "rpc_version": version, "options": {...}}}``"""
        return {
            "result": {
                "package": package_version(),
                "rpc_version": VERSION,
                "options": dict(self._options()),
            }
        }


def package_version() -> str:
    """Of the nova-xloud that is installed here."""
    return importlib.metadata.version("nova-xloud")
