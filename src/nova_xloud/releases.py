# SPDX-License-Identifier: Apache-2.0
"""Where the supported releases of Nova differ in what nova-xloud asks of them: one function each.

A difference of signature is two rows in :mod:`nova_xloud.seams.table` (``since``, ``until``).
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

# 2024.1 to 2026.2, by Nova's own numbers. constraints/ has a file for each; 31.0 is Debian 13's,
# and was tested with that of 31.3.
SUPPORTED = ("29.4", "30.3", "31.0", "31.3", "32.2", "33.0", "34.0")


def version() -> str | None:
    """The installed Nova's version, as ``34.0.0``; None without one."""
    try:
        return importlib.metadata.version("nova")
    except importlib.metadata.PackageNotFoundError:
        return None


def is_supported(found: str) -> bool:
    """Whether a version belongs to a release that nova-xloud was tested with.

    Another one may fit as well, a later point release (34.1.0) nearly always does: the table of
    seams judges that.
    """
    return any(found == release or found.startswith(f"{release}.") for release in SUPPORTED)


def not_tested(found: str) -> str:
    """What people are told of a version that :func:`is_supported` does not know."""
    return f"Nova {found} is none of the releases that were tested: {', '.join(SUPPORTED)}"


def major(found: str | None = None) -> int:
    """A release's number, 34 for 2026.2.

    :param found: a version; default: the installed Nova's, which must be there. One that does not
        begin with a number (a build of one's own) counts as the newest that was tested
    """
    found = found or importlib.metadata.version("nova")
    # PEP 440: a version may begin with an epoch, as 1!34.0.0.
    number = re.match(r"(?:\d+!)?(\d+)", found) or re.match(r"(\d+)", SUPPORTED[-1])
    assert number is not None
    return int(number[1])


def choose_backend() -> None:
    """Choose threads or eventlet as Nova's own API does: it wants to be the first import of all."""
    from nova import monkey_patch

    if major() >= 33:
        monkey_patch.patch(backend="threading")
    elif major() >= 32:
        monkey_patch.patch()
    # Before that, to import it is the choice.


def machine_threads() -> Any:
    """The module ``threading`` of the machine, also where eventlet has put its own in its place."""
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is None or not patcher.is_monkey_patched("thread"):
        return threading
    return patcher.original("threading")


def without_proxy(domain: Any) -> Any:
    """libvirt's own object. On eventlet Nova has it behind a proxy that calls it in threads of its
    pool, of which there are twenty.
    """
    tpool = sys.modules.get("eventlet.tpool")
    return domain._obj if tpool is not None and isinstance(domain, tpool.Proxy) else domain


def compute_api_application() -> Any:
    """Nova's own WSGI application."""
    if major() >= 30:
        from nova.wsgi.osapi_compute import application

        return application
    from nova.api.openstack.compute.wsgi import init_application

    return init_application()


def enforce_unified_limits(
    context: Any, project_id: str, request_spec: Any, more: Mapping[str, int]
) -> None:
    """Whether a project may hold ``more`` of each unified limit.

    :raises nova.exception.TooManyInstances: it may not
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
    """Whether Nova refuses what ``oslo_limit.exception.ProjectOverLimit`` says is over.

    Since 31 an operator says which limits may be unset; before, each counts that is a number: -1 is
    Keystone's unlimited.
    """
    from nova.limit import utils

    if major() >= 31:
        return bool(utils.should_enforce(over))
    return any(info.limit >= 0 for info in over.over_limit_info_list)


def whose_quota(over: Any) -> str:
    """Of ``nova.exception.OverQuota``: ``project`` or ``user``. Nova says it since 34."""
    return over.kwargs["scope"] if major() >= 34 else "project or user"


def validated(controller: type) -> type:
    """A controller's decorator: all its methods have schemas. Nova's guard asks since 32."""
    from nova.api import validation

    return validation.validated(controller) if major() >= 32 else controller


def response_body_schema(schema: Mapping[str, Any]) -> Callable[..., Any]:
    """A method's decorator: what its answers look like. Nova checks that since 30."""
    from nova.api import validation

    return validation.response_body_schema(schema) if major() >= 30 else lambda method: method
