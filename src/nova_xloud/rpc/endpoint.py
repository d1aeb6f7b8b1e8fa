# SPDX-License-Identifier: Apache-2.0
"""The RPC calls that a compute host answers; :mod:`nova_xloud.rpc.versions` has their history."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import oslo_messaging as messaging

from nova_xloud.compute.deadline import Deadline
from nova_xloud.compute.host import Host
from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.errors import DomainError, GuestRefused, HostUnavailable, Refused
from nova_xloud.rpc.versions import NAMESPACE, VERSION

# The value of answer_within for a caller that does not send one.
FOR_EVER = float("inf")
LOG = logging.getLogger(__name__)


def _answers(method: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Wrap a method so that it returns ``{"result": ...}``, or ``{"refused": ...}`` for a refusal.

    A refusal is an answer and not a failure of the call, so neither side logs a traceback. Refusals
    are every ``Refused``, a ``GuestRefused`` (status 409, with its own code), and every
    ``DomainError``, which the caller gets as ``HostUnavailable``.
    """

    @functools.wraps(method)
    def call(self: Any, context: Any, instance: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return {"result": method(self, context, instance, *args, **kwargs)}
        except Refused as refusal:
            LOG.info("Instance %s: %s refused: %s", instance.uuid, method.__name__, refusal)
            return {"refused": refusal.to_wire()}
        except GuestRefused as refusal:
            return {"refused": {"code": refusal.code, "status": 409, "message": refusal.message}}
        except DomainError as error:
            LOG.warning(
                "Instance %s: %s failed, because of libvirt or the guest: %s",
                instance.uuid,
                method.__name__,
                error,
            )
            return {"refused": _libvirt_failed(error)}

    return call


class XloudEndpoint:
    """Answers the RPC calls of the namespace ``xloud``; nova-compute's own RPC server calls it.

    Every method returns ``{"result": ...}`` with what its docstring says, or ``{"refused": ...}``
    with ``code``, ``status`` and ``message``. :class:`.about.AboutEndpoint` answers ``about``.
    """

    target = messaging.Target(namespace=NAMESPACE, version=VERSION)

    def __init__(self, host: Host) -> None:
        self.host = host

    @_answers
    def adjust(
        self,
        context: Any,
        instance: Any,
        vcpus: int | None,
        memory_mb: int | None,
        persist: bool,
        answer_within: float,
        force: bool = False,
        answer_by: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Admit an adjustment and start it, without waiting for the guest.

        :param vcpus: the vCPUs to have; None: unchanged
        :param memory_mb: the memory to have, MiB; None: unchanged
        :param persist: whether the size is kept after the next stop of the guest
        :param answer_within: seconds from now that the caller waits for the answer; after that
            nothing is admitted
        :param force: reduce memory even below what the guest reports that it needs
        :param answer_by: the deadline ``{"clock": id, "seconds": float}`` by the clock of
            :meth:`now`, so that time in a queue counts; None: only ``answer_within`` counts
        :returns: ``{"generation": int, "nothing_to_do": bool}``
        """
        request = AdjustRequest(vcpus, memory_mb, persist, force)
        admission = self.host.adjust(
            context, instance, request, answer_within, _deadline(answer_by)
        )
        return {"generation": admission.generation, "nothing_to_do": admission.nothing_to_do}

    @_answers
    def plan(
        self,
        context: Any,
        instance: Any,
        vcpus: int | None,
        memory_mb: int | None,
        persist: bool,
        force: bool,
    ) -> dict[str, Any]:
        """Return what an adjustment would do; see :meth:`nova_xloud.compute.host.Host.plan`.

        The parameters are those of :meth:`adjust`. Nothing is changed.
        """
        request = AdjustRequest(vcpus, memory_mb, persist, force)
        return self.host.plan(context, instance, request)

    @_answers
    def reserve(
        self,
        context: Any,
        instance: Any,
        vcpus: int | None,
        memory_mb: int | None,
        persist: bool,
        force: bool,
        answer_within: float = FOR_EVER,
        answer_by: dict[str, Any] | None = None,
    ) -> None:
        """Claim what an adjustment needs, so that quotas count it, without admitting it.

        The parameters are those of :meth:`adjust`; the result is None. See
        :meth:`nova_xloud.compute.host.Host.reserve`.
        """
        request = AdjustRequest(vcpus, memory_mb, persist, force)
        self.host.reserve(context, instance, request, answer_within, _deadline(answer_by))

    @_answers
    def unreserve(self, context: Any, instance: Any) -> None:
        """Start a run that releases what :meth:`reserve` claimed, without waiting for the run.

        If an adjustment was admitted meanwhile, what it needs stays claimed.
        """
        self.host.unreserve(context, instance)

    @_answers
    def status(self, context: Any, instance: Any) -> dict[str, Any]:
        """Return the body of ``xloud_status``, with the size in the libvirt definition added.

        See :meth:`nova_xloud.compute.host.Host.status`.
        """
        return self.host.status(context, instance)

    @_answers
    def hotplug_vcpus(
        self,
        context: Any,
        instance: Any,
        new_count: int,
        answer_within: float = FOR_EVER,
        answer_by: dict[str, Any] | None = None,
    ) -> None:
        """Set the number of vCPUs to ``new_count``, and answer when the guest has them.

        :param answer_within: seconds in which the change has to be admitted
        :param answer_by: the deadline of the admission; see :meth:`adjust`
        """
        self.host.hotplug_vcpus(context, instance, new_count, answer_within, _deadline(answer_by))

    def guests(self, context: Any, uuids: list[str]) -> dict[str, Any]:
        """Return what the guests of these instances hold, by UUID.

        See :meth:`nova_xloud.compute.host.Host.guests`.
        """
        try:
            return {"result": self.host.guests(uuids)}
        except Refused as refusal:
            return {"refused": refusal.to_wire()}
        except DomainError as error:
            LOG.warning("libvirt did not return what the guests of this host hold: %s", error)
            return {"refused": _libvirt_failed(error)}

    @_answers
    def now(self, context: Any, instance: Any) -> dict[str, Any]:
        """Return the time now by the clock by which ``answer_by`` counts.

        :returns: ``{"clock": id, "seconds": float}``; the id is another one after each restart of
            nova-compute
        """
        return asdict(self.host.clock.now())


def _libvirt_failed(error: DomainError) -> dict[str, Any]:
    return HostUnavailable(f"libvirt on the server's compute host: {error}").to_wire()


def _deadline(answer_by: dict[str, Any] | None) -> Deadline | None:
    return None if answer_by is None else Deadline(**answer_by)
