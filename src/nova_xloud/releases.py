# SPDX-License-Identifier: Apache-2.0
"""Which releases of Nova are supported, and functions for what differs between them.

A function of Nova whose signature differs between releases is not here: such a function has two
rows in :mod:`nova_xloud.seams.table` (``since``, ``until``). Two functions here bypass eventlet,
with which Nova may or may not run.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

# 2024.1 to 2026.2, by Nova's own numbers. constraints/ has a file for each but 31.0: 31.0 is the
# Nova of Debian 13, and was tested with the constraints of 31.3.
SUPPORTED = ("29.4", "30.3", "31.0", "31.3", "32.2", "33.0", "34.0")


def version() -> str | None:
    """Return the version of the installed Nova, such as ``34.0.0``; None if there is no Nova."""
    try:
        return importlib.metadata.version("nova")
    except importlib.metadata.PackageNotFoundError:
        return None


def is_supported(found: str) -> bool:
    """Return whether the version ``found`` of Nova is of a release in :data:`SUPPORTED`.

    Those are the releases that were tested. Another version, such as a later point release
    (34.1.0), may fit too; the seams in :mod:`nova_xloud.seams.table` decide that.
    """
    return any(found == release or found.startswith(f"{release}.") for release in SUPPORTED)


def not_tested(found: str) -> str:
    """Return the text of the warning for a version of Nova that was not tested."""
    return f"Nova {found} is none of the releases that were tested: {', '.join(SUPPORTED)}"


def major(found: str | None = None) -> int:
    """Return the major number of a version of Nova, such as 34 for 2026.2.

    :param found: a version; None for the version of the installed Nova. A version that does not
        begin with a number (a private build) counts as the newest release that was tested
    :raises importlib.metadata.PackageNotFoundError: ``found`` is None, and no Nova is installed
    """
    found = found or importlib.metadata.version("nova")
    # PEP 440: a version may begin with an epoch, as 1!34.0.0.
    number = re.match(r"(?:\d+!)?(\d+)", found) or re.match(r"(\d+)", SUPPORTED[-1])
    assert number is not None
    return int(number[1])


def choose_backend() -> None:
    """Choose threads or eventlet for this process, as Nova's own API does.

    Call this before any other module of Nova is imported.

    :raises ImportError: no Nova is installed
    """
    from nova import monkey_patch

    if major() >= 33:
        monkey_patch.patch(backend="threading")
    elif major() >= 32:
        monkey_patch.patch()
    # Before Nova 32 the import of monkey_patch alone makes the choice.


def machine_threads() -> Any:
    """Return Python's own module ``threading``, even if eventlet has patched that module."""
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is None or not patcher.is_monkey_patched("thread"):
        return threading
    return patcher.original("threading")


def without_proxy(domain: Any) -> Any:
    """Return libvirt's own domain object, without the proxy that Nova puts around it on eventlet.

    The proxy makes each call in a thread of eventlet's pool, which has twenty threads by default. A
    ``domain`` without a proxy is returned as it is.
    """
    tpool = sys.modules.get("eventlet.tpool")
    return domain._obj if tpool is not None and isinstance(domain, tpool.Proxy) else domain


def compute_api_application() -> Any:
    """Return the WSGI application of Nova's compute API.

    Nova reads its configuration and sets up its API service during this call.
    """
    if major() >= 30:
        from nova.wsgi.osapi_compute import application

        return application
    from nova.api.openstack.compute.wsgi import init_application

    return init_application()


def enforce_unified_limits(
    context: Any, project_id: str, request_spec: Any, more: Mapping[str, int]
) -> None:
    """Raise unless the unified limits of a project allow one server of ``request_spec`` more.

    Nothing is checked if Nova's quota driver is not the one of unified limits.

    :param request_spec: ``nova.objects.RequestSpec``: Nova counts its flavor, and since Nova 34 its
        other resources too
    :param more: by resource (``servers``, ``class:VCPU``), the amount to count for the server in
        place of the amount that Nova counts
    :raises nova.exception.TooManyInstances: the project would exceed a limit that Nova enforces
    :raises nova.exception.UsagesRetrievalFailed: Placement did not return the project's usage
    """
    from nova.limit import placement

    if major() >= 34:
        placement.enforce_num_instances_and_resources(
            context, project_id, request_spec, 1, 1, delta_updates=more
        )
    else:
        placement.enforce_num_instances_and_flavor(
            context,
            project_id,
            request_spec.flavor,
            request_spec.is_bfv,
            1,
            1,
            delta_updates=more,
        )


def should_enforce(over: Any) -> bool:
    """Return whether a request that oslo.limit finds to exceed a limit is to be refused.

    Since Nova 31 an operator configures which limits may be unset, and Nova decides by that. Before
    Nova 31 the result is True if an exceeded limit is not negative; Keystone's -1 is unlimited.

    :param over: ``oslo_limit.exception.ProjectOverLimit``
    """
    from nova.limit import utils

    if major() >= 31:
        return bool(utils.should_enforce(over))
    return any(info.limit >= 0 for info in over.over_limit_info_list)


def whose_quota(over: Any) -> str:
    """Return whose quota was exceeded: ``project``, ``user``, or ``project or user``.

    Nova's exception names one of the first two since Nova 34. Before Nova 34 it is not known which.

    :param over: ``nova.exception.OverQuota``
    """
    return over.kwargs["scope"] if major() >= 34 else "project or user"


def validated(controller: type) -> type:
    """Mark a controller as one whose methods all have schemas, as Nova's own are since Nova 32.

    Before Nova 32 there is no such mark, and ``controller`` is returned as it is.
    """
    from nova.api import validation

    return validation.validated(controller) if major() >= 32 else controller


def response_body_schema(schema: Mapping[str, Any]) -> Callable[..., Any]:
    """Return Nova's decorator that gives a method the schema of its answers.

    Nova has it since Nova 30; before that the decorator returns the method as it is.
    """
    from nova.api import validation

    return validation.response_body_schema(schema) if major() >= 30 else lambda method: method
