# SPDX-License-Identifier: Apache-2.0
"""Check the arguments of RPC calls, before anything is read or claimed for them.

nova-api sends what it has checked itself. But whoever can write to the message bus can send
anything, and a size that is no integer would be claimed and recorded as it is.
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

from nova_xloud.compute.deadline import Deadline
from nova_xloud.core.autoscaling.mode import OF_FLAVOR
from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.errors import Invalid


def check_instance(instance: Any) -> None:
    """Raise unless ``instance`` is an object with a UUID, as every instance of Nova.

    :raises Invalid: it is something else
    """
    uuid = getattr(instance, "uuid", None)
    # The UUID is logged, where a line break in it would make a line of its own.
    if not (isinstance(uuid, str) and uuid.isprintable()):
        raise Invalid(f"instance is {_kind(instance)}; it must be an instance of Nova")


MODES = (*(one.value for one in Mode), OF_FLAVOR)


def adjust_request(
    vcpus: Any, memory_mb: Any, persist: Any, force: Any, autoscale: Any = None
) -> AdjustRequest:
    """Return the request to adjust an instance that the arguments describe.

    :raises Invalid: a size is neither an integer nor None, a switch is no boolean, or ``autoscale``
        is neither None nor the name of a mode or ``flavor``
    """
    if autoscale is not None and autoscale not in MODES:
        raise Invalid(f"autoscale is none of {', '.join(MODES)}")
    return AdjustRequest(
        vcpus=None if vcpus is None else integer("vcpus", vcpus),
        memory_mb=None if memory_mb is None else integer("memory_mb", memory_mb),
        persist=_switch("persist", persist),
        force=_switch("force", force),
        autoscale=autoscale,
    )


def integer(name: str, value: Any) -> int:
    """Return ``value``, which has to be an integer; in Python a boolean is one too, and is refused.

    :raises Invalid: it is something else
    """
    if type(value) is not int:
        raise Invalid(f"{name} is {_kind(value)}; it must be an integer")
    return value


def _switch(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise Invalid(f"{name} is {_kind(value)}; it must be a boolean")
    return value


def seconds(name: str, value: Any) -> float:
    """Return a number of seconds, which may be infinite.

    :raises Invalid: it is no number, or an integer that no float can hold
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            if not math.isnan(number := float(value)):
                return number
    raise Invalid(f"{name} is {_kind(value)}; it must be a number of seconds")


def deadline(value: Any) -> Deadline | None:
    """Return the deadline of an ``answer_by``; None if there is none.

    :raises Invalid: it is neither None nor a dict of ``clock`` and ``seconds``
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Invalid(f"answer_by is {_kind(value)}; it must be a dict of clock and seconds")
    clock = value.get("clock")
    if not isinstance(clock, str):
        raise Invalid(f"answer_by.clock is {_kind(clock)}; it must be a string")
    return Deadline(clock, seconds("answer_by.seconds", value.get("seconds")))


def uuids(value: Any) -> list[str]:
    """Return a list of UUIDs.

    :raises Invalid: it is no list of strings
    """
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Invalid(f"uuids is {_kind(value)}; it must be a list of UUIDs")
    return value


def _kind(value: Any) -> str:
    # Not the value: it may be of any length.
    return f"a {type(value).__name__}"
