# SPDX-License-Identifier: Apache-2.0
"""Build the ports of an instance from the Nova objects and the libvirt of one nova-compute."""

from __future__ import annotations

import functools
from typing import Any

import nova.conf
from nova import exception
from nova.virt.libvirt import driver

from nova_xloud import releases
from nova_xloud.adapters import nova_objects
from nova_xloud.adapters.locks import InstanceLocks
from nova_xloud.adapters.logs import logged_as
from nova_xloud.adapters.placement import (
    CurrentClaims,
    PlacementClaims,
    PlacementProbe,
    with_timeout,
)
from nova_xloud.adapters.record import NovaActions, NovaRecord
from nova_xloud.compute.agents import Agents
from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.liveness import LivenessProbe
from nova_xloud.compute.ports import Domain, Instance
from nova_xloud.compute.watch import Watch
from nova_xloud.core.convergence.balloon import OFTEN
from nova_xloud.errors import DomainCallFailed, DomainNotFound, NotFound

CONF = nova.conf.CONF


class InstancePorts:
    """Builds the ports of instances, on the host of one ``nova.compute.manager.ComputeManager``.

    It also remembers from one call to the next whether Placement and each QEMU answer, which guest
    agents hang, and which instances' locks nova-xloud holds.

    :param boot_grace: knows which guests have just booted
    :param watch: knows which guests have a balloon driver that reports

    :ivar placement: a Placement client whose requests time out after ``[xloud] placement_timeout``
        seconds
    """

    def __init__(self, manager: Any, boot_grace: BootGrace, watch: Watch) -> None:
        self.placement = with_timeout(manager.reportclient, CONF.xloud.placement_timeout)
        self._manager = manager
        self._boot_grace = boot_grace
        self._watch = watch
        self._placement_probe = PlacementProbe(self.placement)
        self._probe = LivenessProbe()
        self._locks = InstanceLocks()
        self._agents = Agents(releases.machine_threads())

    def open(self, context: Any, instance: Any) -> Instance:
        """Return the ports of a ``nova.objects.Instance``.

        Instance actions have the request id of ``context``, and so have the log lines that are
        written in the context ``logged()``. Neither Placement nor libvirt is called yet.
        """
        return Instance(
            uuid=instance.uuid,
            domain=functools.partial(self._domain, instance),
            claims=CurrentClaims(functools.partial(self._claims, context, instance)),
            record=NovaRecord(instance, self._manager.host),
            actions=NovaActions(context, instance, self._manager.host, self._manager.notifier),
            lock=functools.partial(self._locks.hold, instance.uuid),
            booting=functools.partial(self._boot_grace.is_booting, instance.uuid),
            watched=functools.partial(self._watch.judged, instance.uuid),
            request_id=context.request_id or "",
            logged=functools.partial(logged_as, context),
            node=instance.node or "",
            user_id=context.user_id or "",
            project_id=instance.project_id or "",
            placement_answers=self._placement_probe.answers,
            answers=functools.partial(
                self._probe.answers, instance.uuid, lambda: self._domain(instance).ping()
            ),
        )

    def connection(self) -> Any:
        """Return the libvirt connection of Nova's libvirt driver; None with another virt driver.

        :raises DomainCallFailed: libvirt could not be reached
        """
        if not isinstance(self._manager.driver, driver.LibvirtDriver):
            return None
        try:
            return self._manager.driver._host.get_connection()
        except exception.HypervisorUnavailable as error:
            raise DomainCallFailed(f"libvirt could not be reached: {error}") from error

    def _claims(self, context: Any, instance: Any) -> PlacementClaims:
        """Return the ``Claims`` port for the node, flavor and image that ``instance`` has now.

        :raises NotFound: the instance's compute node is none of this host's
        """
        node = self._manager.rt.compute_nodes.get(instance.node)
        if node is None:
            raise NotFound("the instance is no longer on this host; try again")
        facts = nova_objects.facts_of_instance(instance)
        return PlacementClaims(self.placement, context, instance.uuid, node.uuid, facts)

    def _domain(self, instance: Any) -> Domain:
        if not isinstance(self._manager.driver, driver.LibvirtDriver):
            raise DomainNotFound(
                f"[DEFAULT] compute_driver is {CONF.compute_driver}, which has no libvirt domains"
            )
        # Imported here, because nova-api loads this module too and may have no libvirt-python.
        from nova_xloud.libvirt.domain import LibvirtDomain

        try:
            guest = self._manager.driver._host.get_guest(instance)
        except exception.InstanceNotFound as error:
            raise DomainNotFound(f"libvirt has no domain of instance {instance.uuid}") from error
        except (exception.InternalError, exception.HypervisorUnavailable) as error:
            raise DomainCallFailed(f"libvirt did not return the domain: {error}") from error
        return LibvirtDomain(
            guest._domain,
            direct=releases.without_proxy(guest._domain),
            ask_agent=functools.partial(self._agents.ask, instance.uuid),
            usual_period=usual_period(instance),
        )


def usual_period(instance: Any) -> int:
    """Return the usual period of the statistics of a guest's balloon, in seconds.

    That is ``[libvirt] mem_stats_period_seconds``. For an instance that is scaled automatically it
    is one second, the shortest that libvirt knows. If the option is 0, the guests of this host have
    no balloon, and the result is 0.
    """
    usual = int(CONF.libvirt.mem_stats_period_seconds)
    return min(OFTEN, usual) if nova_objects.is_scaled_as_loaded(instance) else usual
