# SPDX-License-Identifier: Apache-2.0
"""The RPC endpoint by which a service of Nova reports its nova-xloud version and options."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

import oslo_messaging as messaging

from nova_xloud import fault_points
from nova_xloud.rpc.versions import NAMESPACE, VERSION

# Returns the values of options by ``[group] name``, as this service has them.
Options = Callable[[], Mapping[str, Any]]


class AboutEndpoint:
    """Answers the RPC call ``about`` in nova-compute, nova-conductor and nova-scheduler.

    nova-scheduler answers no other call of nova-xloud, and nova-conductor only ``check_growth``.

    :param options: returns the options to report; it is called for each answer
    """

    target = messaging.Target(namespace=NAMESPACE, version=VERSION)

    def __init__(self, options: Options) -> None:
        self._options = options

    def about(self, context: Any) -> dict[str, Any]:
        """Return the version of nova-xloud, that of its RPC in this service, and its options.

        Where fault points are on, their environment variable is among the options.

        :returns: ``{"result": {"package": version, "rpc_version": version, "options": {...}}}``;
            ``package`` is the version that is installed now, and ``options`` has the values by
            ``[group] name``
        """
        return {
            "result": {
                "package": package_version(),
                "rpc_version": VERSION,
                "options": dict(self._options()) | _fault_points(),
            }
        }


def _fault_points() -> dict[str, str]:
    """Return the variable that switches fault points on, with its value; empty if it is not set."""
    folder = fault_points.folder()
    return {} if folder is None else {fault_points.VARIABLE: folder}


def package_version() -> str:
    """Return the version of the package nova-xloud that is installed on this host now."""
    return importlib.metadata.version("nova-xloud")
