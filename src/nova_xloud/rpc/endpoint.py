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
from nova_xloud.errors import DomainError, GuestRefused, HostUnavailable, Invalid, Refused
from nova_xloud.rpc import arguments
from nova_xloud.rpc.versions import NAMESPACE, VERSION

# The value of answer_within for a caller that does not send one.
FOR_EVER = float("inf")
LOG = logging.getLogger(__name__)


def _answers(method: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Wrap a method so that it returns ``{"result": ...}``, or ``{"refused": ...}`` for a refusal.

    A refusal is an answer and not a failure of the call, so neither side logs a traceback. These
    errors of the method become refusals: a ``Refused``; a ``GuestRefused``, with status 409 and the
    error's own code; and a ``DomainError``, which the caller gets as ``HostUnavailable``. An
    ``instance`` that is no instance is refused too.
    """

    @functools.wraps(method)
    def call(self: Any, context: Any, instance: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            arguments.check_instance(instance)
        except Invalid as refusal:
            return {"refused": refusal.to_wire()}
        try:
            return {"result": method(self, context, instance, *args, **kwargs)}
        except Refused as refusal:
            LOG.info("Instance %s: %s refused: %s", instance.uuid, method.__name__, refusal)
            return {"refused": refusal.to_wire()}
        except GuestRefused as refusal:
            return {"refused": {"code": refusal.code, "status": 409, "message": refusal.message}}
        except DomainError as error:
            LOG.warning(
                "Instance %s: the RPC call %s is answered with xloud.host_unavailable, because a "
                "call to libvirt or to the guest failed. Check libvirt on this host: %s",
                instance.uuid,
                method.__name__,
                error,
            )
            return {"refused": _libvirt_failed(error)}

    return call


class XloudEndpoint:
    """Answers the RPC calls of the namespace ``xloud`` in nova-compute, all but ``about``.

    Every method answers ``{"result": ...}`` with what its docstring says that it returns, or
    ``{"refused": {"code": str, "status": int, "message": str}}``. Arguments of another type than
    named are refused with ``xloud.invalid`` before anything is read. :class:`.about.AboutEndpoint`
    answers ``about``. The answer of :meth:`unreserve` reaches nobody, because it is called by cast.
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
        autoscale: str | None = None,
    ) -> dict[str, Any]:
        """Admit an adjustment and start a run for it, without waiting for the guest.

        :param vcpus: the vCPUs to have; None: unchanged
        :param memory_mb: the memory to have, MiB; None: unchanged
        :param persist: whether the size is kept after the next stop of the guest
        :param answer_within: how many seconds from now the adjustment may be admitted; later it is
            refused
        :param force: reduce memory even below what the guest reports that it needs
        :param answer_by: until when the adjustment may be admitted: ``{"clock": id, "seconds":
            float}``, by the clock of :meth:`now`. The time that the call was queued counts too.
            None: only ``answer_within`` limits the admission
        :param autoscale: the mode of automatic growth to have: ``off``, ``observe``, ``on``, or
            ``flavor`` for the flavor's; None: unchanged
        :returns: ``{"generation": int, "nothing_to_do": bool}``: the generation of the desired
            size, and whether there was nothing to do, so that no run was started
        """
        request = arguments.adjust_request(vcpus, memory_mb, persist, force, autoscale)
        until = _until(answer_within, answer_by)
        admission = self.host.adjust(context, instance, request, *until)
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
        autoscale: str | None = None,
    ) -> dict[str, Any]:
        """Return what an adjustment would do, and change nothing.

        The parameters are the same as in :meth:`adjust`, and the result is that of
        :meth:`nova_xloud.compute.host.Host.plan`.
        """
        request = arguments.adjust_request(vcpus, memory_mb, persist, force, autoscale)
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
        autoscale: str | None = None,
    ) -> None:
        """Claim what an adjustment needs, without admitting the adjustment.

        Quotas count the claim from then on. The parameters are those of :meth:`adjust`; the result
        is None. See :meth:`nova_xloud.compute.host.Host.reserve`.
        """
        request = arguments.adjust_request(vcpus, memory_mb, persist, force, autoscale)
        self.host.reserve(context, instance, request, *_until(answer_within, answer_by))

    @_answers
    def unreserve(self, context: Any, instance: Any) -> None:
        """Start a run that releases what :meth:`reserve` claimed, without waiting for the run.

        If an adjustment was admitted meanwhile, what the adjustment needs stays claimed.
        """
        self.host.unreserve(context, instance)

    @_answers
    def status(self, context: Any, instance: Any) -> dict[str, Any]:
        """Return the body of ``xloud_status``, with one more key, ``definition``.

        ``definition`` is the size with which libvirt would start the guest, or None if libvirt has
        no definition. See :meth:`nova_xloud.compute.host.Host.status`.
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

        If the guest is off, the answer does not wait: the guest gets them when it starts next. The
        result is None. See :meth:`nova_xloud.compute.host.Host.hotplug_vcpus`.

        :param answer_within: how many seconds from now the change may be admitted; later it is
            refused
        :param answer_by: until when the change may be admitted; see :meth:`adjust`
        """
        count = arguments.integer("new_count", new_count)
        self.host.hotplug_vcpus(context, instance, count, *_until(answer_within, answer_by))

    def guests(self, context: Any, uuids: list[str]) -> dict[str, Any]:
        """Return what the guests of these instances hold, by UUID.

        See :meth:`nova_xloud.compute.host.Host.guests`.
        """
        try:
            return {"result": self.host.guests(arguments.uuids(uuids))}
        except Refused as refusal:
            return {"refused": refusal.to_wire()}
        except DomainError as error:
            LOG.warning(
                "The RPC call guests of nova-xloud-status invariants is answered with "
                "xloud.host_unavailable, because libvirt did not return what the guests of this "
                "host hold. Check libvirt: %s",
                error,
            )
            return {"refused": _libvirt_failed(error)}

    @_answers
    def now(self, context: Any, instance: Any) -> dict[str, Any]:
        """Return the time now of this host's clock, by which ``answer_by`` of a call is given.

        :returns: ``{"clock": id, "seconds": float}``, with monotonic seconds; after each restart of
            nova-compute the id is another one
        """
        return asdict(self.host.clock.now())


def _libvirt_failed(error: DomainError) -> dict[str, Any]:
    return HostUnavailable(f"libvirt failed on the server's compute host: {error}").to_wire()


def _until(answer_within: Any, answer_by: Any) -> tuple[float, Deadline | None]:
    return arguments.seconds("answer_within", answer_within), arguments.deadline(answer_by)
