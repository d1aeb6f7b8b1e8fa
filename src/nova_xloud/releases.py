# SPDX-License-Identifier: Apache-2.0
"""Which releases of Nova are supported, and one function for each difference between them.

A function of Nova whose signature differs between releases is not here: such a function has two
rows in :mod:`nova_xloud.seams.table` (``since``, ``until``). Two functions bypass eventlet, with
which Nova may or may not run.
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
    """Return whether the version ``found`` of Nova belongs to a release that was tested.

    A version that was not tested may fit as well, and a later point release (34.1.0) nearly always
    does: :mod:`nova_xloud.seams.table` decides that.
    """
    return any(found == release or found.startswith(f"{release}.") for release in SUPPORTED)


def not_tested(found: str) -> str:
    """Return the text of the warning for a version of Nova that was not tested."""
    return f"Nova {found} is none of the releases that were tested: {', '.join(SUPPORTED)}"


def major(found: str | None = None) -> int:
    """Return the major number of a version of Nova, such as 34 for 2026.2.

    :param found: a version; default: the version of the installed Nova, which must be there. A
        version that does not begin with a number (a private build) counts as the newest release
        that was tested
    :raises importlib.metadata.PackageNotFoundError: ``found`` is None, and no Nova is installed
    """
    found = found or importlib.metadata.version("nova")
    # PEP 440: a version may begin with an epoch, as 1!34.0.0.
    number = re.match(r"(?:\d+!)?(\d+)", found) or re.match(r"(\d+)", SUPPORTED[-1])
    assert number is not None
    return int(number[1])


def choose_backend() -> None:
    """Choose threads or eventlet as Nova's own API does; call this before Nova is imported."""
    from nova import monkey_patch

    if major() >= 33:
        monkey_patch.patch(backend="threading")
    elif major() >= 32:
        monkey_patch.patch()
    # Before Nova 32 the import of monkey_patch alone makes the choice.


def machine_threads() -> Any:
    """Return Python's own module ``threading``, even if eventlet has replaced that module."""
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is None or not patcher.is_monkey_patched("thread"):
        return threading
    return patcher.original("threading")


def without_proxy(domain: Any) -> Any:
    """Return libvirt's own domain object, without the proxy that Nova puts around it on eventlet.

    The proxy makes each call in a thread of eventlet's pool, which has twenty threads.
    """
    tpool = sys.modules.get("eventlet.tpool")
    return domain._obj if tpool is not None and isinstance(domain, tpool.Proxy) else domain


def compute_api_application() -> Any:
    """Return the WSGI application of Nova's compute API."""
    if major() >= 30:
        from nova.wsgi.osapi_compute import application

        return application
    from nova.api.openstack.compute.wsgi import init_application

    return init_application()


def enforce_unified_limits(
    context: Any, project_id: str, request_spec: Any, more: Mapping[str, int]
) -> None:
    """Raise unless the unified limits of a project allow one server of ``request_spec`` more.

    ``more`` replaces the amounts that Nova counts for the server, resource by resource. Nothing is
    checked if Nova's quota driver is not the one of unified limits.

    :param request_spec: ``nova.objects.RequestSpec``: Nova counts its flavor, and since Nova 34 its
        other resources too
    :param more: by resource (``servers``, ``class:VCPU``), the amount to add to the project's usage
    :raises nova.exception.TooManyInstances: the project would exceed a limit that Nova enforces
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
    """Return whether Nova refuses a request because of ``oslo_limit``'s ``ProjectOverLimit``.

    Since Nova 31 an operator configures which limits may be unset. Before Nova 31 every limit
    counts that is not negative; -1 is Keystone's value for unlimited.

    :param over: ``oslo_limit.exception.ProjectOverLimit``
    """
    from nova.limit import utils

    if major() >= 31:
        return bool(utils.should_enforce(over))
    return any(info.limit >= 0 for info in over.over_limit_info_list)


def whose_quota(over: Any) -> str:
    """Return whose quota was exceeded: ``project``, ``user``, or ``project or user``.

    Nova's exception has the scope since Nova 34; before that the scope is not known.

    :param over: ``nova.exception.OverQuota``
    """
    return over.kwargs["scope"] if major() >= 34 else "project or user"


def validated(controller: type) -> type:
    """Decorate a controller whose methods all have schemas, which Nova checks since Nova 32."""
    from nova.api import validation

    return validation.validated(controller) if major() >= 32 else controller


def response_body_schema(schema: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a decorator that gives a method the schema of its answers; Nova has it since 30."""
    from nova.api import validation

    return validation.response_body_schema(schema) if major() >= 30 else lambda method: method
