# SPDX-License-Identifier: Apache-2.0
"""Extend the resource tracker of nova-compute for elastic instances.

It counts what is claimed for them. It refuses the claim of an instance that is to have less than
its maximum, if the host cannot keep it below the maximum or can never give it the maximum.
:func:`host_facts` returns what this host's nova.conf and libvirt allow.
"""

from __future__ import annotations

from typing import Any

import nova.conf
from nova import exception, objects
from nova.compute import resource_tracker
from nova.objects import fields
from nova.virt.libvirt import utils as libvirt_utils
from nova.virt.libvirt.driver import LibvirtDriver

from nova_xloud.adapters import capacity, nova_objects
from nova_xloud.core.size import Size
from nova_xloud.core.sizing import allocation
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS, FlavorFacts, HostFacts, bounds_of

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
        # By the instance: the flavor and the size with which it is in the sums.
        self._counted: dict[str, tuple[str, Size]] = {}

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
        facts = nova_objects.facts_of(flavor, instance.image_meta)
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
        size = _used(object_or_dict, instance)
        if isinstance(object_or_dict, objects.Instance):
            size = size or Size(usage["vcpus"], usage["memory_mb"])
            size = self._as_counted(object_or_dict, size)
        if size is not None:
            usage |= {"vcpus": size.vcpus, "memory_mb": size.memory_mb}
        return usage

    def _as_counted(self, instance: Any, size: Size) -> Size:
        """Return the size that an instance adds to the sums, or takes out of them when it goes.

        It takes out what it has added: until the sums are made anew, they do not follow an
        adjustment, not even the first one of an instance that was not elastic before. Nova has an
        instance among the tracked ones when it adds it, and no more when it takes it out. One with
        another flavor than when it was added was resized since, and Nova has taken the old flavor
        out with the migration.

        :param size: what the instance holds now
        """
        flavor = instance.flavor.flavorid
        if instance.uuid in self.tracked_instances:
            self._counted[instance.uuid] = flavor, size
            self._forget_others()
            return size
        counted_flavor, counted = self._counted.pop(instance.uuid, (flavor, size))
        return counted if counted_flavor == flavor else size

    def _forget_others(self) -> None:
        """Forget what instances were counted with that have left by a migration."""
        tracked = self.tracked_instances
        if len(self._counted) > len(tracked):
            self._counted = {uuid: was for uuid, was in self._counted.items() if uuid in tracked}


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
