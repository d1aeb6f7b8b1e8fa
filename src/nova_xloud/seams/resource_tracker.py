# SPDX-License-Identifier: Apache-2.0
"""Extend the resource tracker of nova-compute for elastic instances.

It counts what is claimed for them. It refuses the claim of an instance that is to have less than
its maximum, if the host cannot keep it below the maximum or can never give it the maximum.
:func:`host_facts` returns what this host's nova.conf and libvirt allow.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import nova.conf
from nova import exception, objects
from nova.compute import resource_tracker
from nova.objects import fields
from nova.virt.libvirt import utils as libvirt_utils
from nova.virt.libvirt.driver import LibvirtDriver

from nova_xloud.adapters import capacity, nova_objects
from nova_xloud.adapters.image_meta import image_meta_of
from nova_xloud.adapters.placement import PlacementClaims, with_timeout
from nova_xloud.core.instance.state import NOTHING
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import allocation
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, FlavorFacts, HostFacts, bounds_of
from nova_xloud.errors import PlacementUnavailable

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF


class XloudResourceTracker(resource_tracker.ResourceTracker):  # type: ignore[misc]
    """Nova's resource tracker, which counts elastic instances with what is claimed for them.

    Hypervisor statistics and the scheduler's view of a host are computed from its sums. It also
    refuses to claim for an elastic instance that is to have less than its maximum, if this host
    cannot keep it below the maximum or can never give it the maximum. For instances that are not
    elastic nothing changes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make a tracker that counts no instance yet; the arguments are Nova's."""
        super().__init__(*args, **kwargs)
        # The size with which an instance is in the sums, by the key of its usage.
        self._counted: dict[tuple[str, str], Size] = {}
        # The migration that is being counted; Nova's lock is held meanwhile.
        self._moving: _Moving | None = None
        # Placement did not answer since the sums were made anew last: it is not asked again.
        self._is_silent = False

    def instance_claim(
        self, context: Any, instance: Any, nodename: str, *args: Any, **kwargs: Any
    ) -> Any:
        """Claim resources for an instance as Nova does, unless this host cannot keep its size.

        Nova calls this at create and at unshelve.

        :raises nova.exception.ComputeResourcesUnavailable: the host cannot keep the instance below
            its maximum, or can never give it the maximum, or Nova's own claim fails
        """
        self._check_this_host_can(context, instance, instance.flavor, nodename)
        return super().instance_claim(context, instance, nodename, *args, **kwargs)

    def _move_claim(
        self,
        context: Any,
        instance: Any,
        new_flavor: Any,
        nodename: str,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        self._check_this_host_can(context, instance, new_flavor, nodename)
        return super()._move_claim(context, instance, new_flavor, nodename, *args, **kwargs)

    def _check_this_host_can(self, context: Any, instance: Any, flavor: Any, nodename: str) -> None:
        """Raise if this host cannot keep a guest below its maximum, or can never give the maximum.

        Only an elastic instance that is to have less than its maximum is checked. The scheduler
        does not choose such a host, but the host's options may have changed since.

        :param flavor: the flavor with which the instance arrives
        :raises nova.exception.ComputeResourcesUnavailable: the host is not suitable
        """
        if not nova_objects.is_elastic_as_loaded(instance, flavor):
            return
        size = nova_objects.desired_with(instance, flavor).persisted
        facts = nova_objects.facts_of(flavor, image_meta_of(instance))
        if size.covers(facts.maximum):
            return
        reason = _blocked(size, facts, host_facts(self.driver)) or self._too_small(
            context, facts, nodename
        )
        if reason is not None:
            raise exception.ComputeResourcesUnavailable(
                reason=f"the instance is to have less than its flavor's maximum, but {reason}"
            )

    def _too_small(self, context: Any, facts: FlavorFacts, nodename: str) -> str | None:
        node = self.compute_nodes.get(nodename)
        if node is None:
            return None
        most = capacity.most_on(self.reportclient, context, node.uuid)
        return None if most is None else allocation.never_fits(facts, most)

    def _get_usage_dict(self, object_or_dict: Any, instance: Any, **updates: Any) -> dict[str, Any]:
        usage: dict[str, Any] = super()._get_usage_dict(object_or_dict, instance, **updates)
        flavor = _flavor_of(object_or_dict)
        if flavor is None:
            return usage
        size = _used(object_or_dict, instance)
        if size is not None:
            size = self._allocated(instance, flavor) or size
            usage |= {"vcpus": size.vcpus, "memory_mb": size.memory_mb}
        return _Usage(usage, (instance.uuid, flavor.flavorid), is_elastic=size is not None)

    def _update_usage_from_migration(
        self, context: Any, instance: Any, migration: Any, nodename: str
    ) -> None:
        self._moving = _Moving(context, migration, nodename)
        try:
            super()._update_usage_from_migration(context, instance, migration, nodename)
        finally:
            self._moving = None

    def _allocated(self, instance: Any, flavor: Any) -> Size | None:
        """Return what Placement has allocated on this host for an instance that is being moved.

        The record does not tell it: a cold migration claims the persisted size, a live migration
        what was reserved on the source, and the source stays claimed as it was, also in the middle
        of an adjustment.

        Nova's lock of the resource tracker is held, so Placement is waited for as long as
        ``[xloud] placement_timeout``, and once in a count.

        :param flavor: the flavor that the instance has on this host
        :returns: None if no migration is being counted, or if Placement does not answer or has
            nothing allocated
        """
        moving = self._moving
        if moving is None or self._is_silent:
            return None
        claims = PlacementClaims(
            with_timeout(self.reportclient, CONF.xloud.placement_timeout),
            moving.context,
            _consumer(self.host, moving.nodename, instance, moving.migration),
            self.compute_nodes[moving.nodename].uuid,
            nova_objects.facts_of(flavor, image_meta_of(instance)),
        )
        try:
            size = claims.read().size
        except PlacementUnavailable as error:
            self._is_silent = True
            LOG.warning(
                "Instance %s is being moved, and what Placement has allocated for it on this host "
                "could not be read. Until Nova counts this host's instances anew, servers that are "
                "moved count with the sizes in their records: %s",
                instance.uuid,
                error,
            )
            return None
        return size if size.covers(Size(1, 1)) else None

    def _update_usage(self, usage: dict[str, Any], nodename: str, sign: int = 1) -> None:
        if isinstance(usage, _Usage):
            if sign > 0:
                self._counted[usage.key] = Size(usage["vcpus"], usage["memory_mb"])
            else:
                usage = self._as_counted(usage)
        super()._update_usage(usage, nodename, sign)

    def _as_counted(self, usage: _Usage) -> dict[str, Any]:
        """Return ``usage`` with the size with which the instance was added to the sums.

        Until the sums are made anew they do not follow an adjustment, not even the first one of an
        instance that was not elastic before. An elastic instance that was not added, as after a
        live migration to this host, takes nothing out; for any other Nova's own figures are kept.
        """
        size = self._counted.pop(usage.key, NOTHING if usage.is_elastic else None)
        if size is None:
            return usage
        return usage | {"vcpus": size.vcpus, "memory_mb": size.memory_mb}

    def _update_usage_from_instances(self, context: Any, instances: Any, nodename: str) -> Any:
        # Nova makes the sums anew.
        self._counted.clear()
        self._is_silent = False
        return super()._update_usage_from_instances(context, instances, nodename)


@dataclass(frozen=True, slots=True)
class _Moving:
    """The ``nova.objects.Migration`` that is being counted for a node of this host."""

    context: Any
    migration: Any
    nodename: str


class _Usage(dict[str, Any]):
    """Nova's dict of what an instance uses of this host, and of which instance it is.

    :ivar key: the UUID of the instance, and the ``flavorid`` that it has on this host: while it is
        resized on one host it is in the sums with both of its flavors
    :ivar is_elastic: whether the instance is elastic, or the flavor names a minimum
    """

    def __init__(self, usage: dict[str, Any], key: tuple[str, str], *, is_elastic: bool) -> None:
        super().__init__(usage)
        self.key = key
        self.is_elastic = is_elastic


def host_facts(driver: Any) -> HostFacts:
    """Return what ``core`` needs to know of this compute host, from nova.conf and libvirt.

    :param driver: Nova's virt driver, after its ``init_host``. With None, or a driver other than
        libvirt's, architecture and machine type are None
    """
    architecture, machine = _platform(driver)
    is_libvirt = CONF.compute_driver.startswith("libvirt.")
    return HostFacts(
        virt_type=CONF.libvirt.virt_type if is_libvirt else CONF.compute_driver,
        balloon_device=CONF.libvirt.mem_stats_period_seconds > 0,
        file_backed_memory=CONF.libvirt.file_backed_memory > 0,
        memory_floor_mb=CONF.xloud.memory_floor_mb,
        architecture=architecture,
        machine=machine,
    )


def _platform(driver: Any) -> tuple[str | None, str | None]:
    """Return the architecture and the machine type of guests whose image names neither.

    Both are None if ``driver`` is not Nova's libvirt driver. The machine type alone is None if
    neither nova.conf nor Nova has a default for the architecture. If libvirt does not answer, the
    architecture is that of the host's kernel.
    """
    if not isinstance(driver, LibvirtDriver):
        return None, None
    try:
        architecture = driver._host.get_capabilities().host.cpu.arch
    except exception.HypervisorUnavailable:
        # Without libvirt the architecture of this host's kernel is used.
        architecture = fields.Architecture.from_host()
    return architecture, libvirt_utils.get_default_machine_type(architecture)


def _flavor_of(object_or_dict: Any) -> Any:
    """Return the flavor of an instance, a flavor itself, and None for anything else."""
    if isinstance(object_or_dict, objects.Instance):
        return object_or_dict.flavor
    return object_or_dict if isinstance(object_or_dict, objects.Flavor) else None


def _consumer(host: str, nodename: str, instance: Any, migration: Any) -> str:
    """Return the UUID of the consumer of what is allocated on a host while an instance moves.

    That is the instance on the host that it moves to, and the migration on the host that it comes
    from. On a host that is both, Nova counts the new flavor first, and the old one once the
    instance has the new one.
    """
    incoming = (migration.dest_compute, migration.dest_node) == (host, nodename)
    outbound = (migration.source_compute, migration.source_node) == (host, nodename)
    is_new = incoming
    if incoming and outbound:
        is_new = instance.instance_type_id == migration.old_instance_type_id
    uuid: str = instance.uuid if is_new else migration.uuid
    return uuid


def _used(object_or_dict: Any, instance: Any) -> Size | None:
    """Return the size that an instance uses of this host; None to count it as Nova does.

    None for an instance that is not elastic, unless ``object_or_dict`` is a flavor that names a
    minimum.

    :param object_or_dict: the instance, or the flavor that it has on this host while it is moved.
        For anything else, such as a dict, the result is None
    """
    if isinstance(object_or_dict, objects.Instance):
        return (
            nova_objects.size_to_count(object_or_dict)
            if nova_objects.is_elastic(object_or_dict)
            else None
        )
    if not isinstance(object_or_dict, objects.Flavor):
        return None
    if not nova_objects.is_elastic(instance) and not nova_objects.has_minimums(object_or_dict):
        return None
    return nova_objects.desired_with(instance, object_or_dict).claim


def _blocked(size: Size, facts: FlavorFacts, host: HostFacts) -> str | None:
    bounds = bounds_of(facts, host)
    for resource in (VCPUS, MEMORY):
        blocker = bounds.blocker_of(resource)
        if blocker and getattr(size, resource) < getattr(bounds.maximum, resource):
            return blocker.message
    return None
