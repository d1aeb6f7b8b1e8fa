# SPDX-License-Identifier: Apache-2.0
"""Extend the manager of nova-compute by the engine of nova-xloud.

The extended manager has the engine's RPC endpoints, reconcile passes and metrics. It also checks
images, and writes into an instance what is claimed for it at a resize.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

import nova.conf
from nova import objects, utils
from nova.compute import manager
from nova.compute import utils as compute_utils
from oslo_service import periodic_task

from nova_xloud import conf
from nova_xloud.adapters import nova_objects
from nova_xloud.adapters.host_instances import NovaHostInstances
from nova_xloud.adapters.open_instance import InstancePorts
from nova_xloud.adapters.scaled_guests import NovaScaledGuests
from nova_xloud.compute.autoscaling.service import EngineParts, ScalingService
from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.host import Host
from nova_xloud.compute.watch import Watch
from nova_xloud.core.sizing.bounds import bounds_of
from nova_xloud.errors import DomainError
from nova_xloud.metrics.service import Metrics
from nova_xloud.rpc import arguments
from nova_xloud.rpc.endpoint import XloudEndpoint
from nova_xloud.seams import about, images
from nova_xloud.seams.resource_tracker import host_facts

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF

MANAGER = "nova_xloud.seams.compute_manager.XloudComputeManager"

# These operations may start or change the guest, so a reconcile pass begins after each.
_RECONCILE_AFTER = (
    # build_and_run_instance itself returns before anything is built.
    "_build_and_run_instance",
    "start_instance",
    "stop_instance",
    "reboot_instance",
    "unpause_instance",
    "resume_instance",
    "rebuild_instance",
    "rescue_instance",
    "unrescue_instance",
    "attach_interface",
    "attach_volume",
    "finish_resize",
    "finish_revert_resize",
    "unshelve_instance",
    "post_live_migration_at_destination",
)


class XloudComputeManager(manager.ComputeManager):  # type: ignore[misc]
    """Nova's compute manager with nova-xloud added.

    It answers the RPC namespace ``xloud``, and serves metrics if a port is configured. It runs
    reconcile passes: at start, periodically, and after operations that may change an elastic guest.
    At a resize it sets the columns of an elastic instance to what is claimed. It refuses a rebuild
    or a rescue of an elastic instance if its image makes a guest that needs more than is claimed.

    :ivar xloud: the engine of this host, :class:`nova_xloud.compute.host.Host`
    :ivar xloud_ports: opens an instance for the engine, as
        :class:`nova_xloud.adapters.open_instance.InstancePorts`
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        options = conf.engine_options(CONF)
        self._watch = Watch(time.monotonic)
        self._metrics = Metrics(CONF.xloud.metrics_host, CONF.xloud.metrics_port)
        self._boot_grace = BootGrace(time.monotonic, options.boot_grace)
        self.xloud_ports = InstancePorts(self, self._boot_grace, self._watch)
        self.xloud = Host(
            self.xloud_ports.open,
            NovaHostInstances(self, self.xloud_ports, CONF.libvirt.mem_stats_period_seconds),
            host_facts(None),
            options,
            self._boot_grace,
            meter=self._metrics.meter,
            watch=self._watch,
            scaling=self._scaling,
        )
        self.additional_endpoints += [XloudEndpoint(self.xloud), about.of_compute()]
        self.add_periodic_task(_reconcile_every(CONF.xloud.reconcile_interval))

    def _scaling(self, parts: EngineParts) -> ScalingService:
        return ScalingService(
            parts,
            NovaScaledGuests(self, self.xloud_ports),
            conf.autoscale_options(CONF),
            CONF.libvirt.mem_stats_period_seconds,
        )

    def pre_start_hook(self, service_ref: Any) -> None:
        """Call Nova's own hook, then read the host's facts, serve metrics and start a pass."""
        super().pre_start_hook(service_ref)
        # Only now is the virt driver initialized, and libvirt can be asked.
        self.xloud.learn(host_facts(self.driver))
        self._metrics.start()
        self.xloud.service_starts()

    def hotplug_vcpus(self, context: Any, instance: Any, new_count: int) -> None:
        """Set the vCPUs of an instance to ``new_count``, and return when the guest has them.

        A guest that is off gets the vCPUs when it starts next. See
        :meth:`nova_xloud.compute.host.Host.hotplug_vcpus`. In Nova's own RPC namespace this method
        is called as it is, so it checks its arguments itself.

        :raises nova_xloud.errors.Invalid: ``new_count`` is no integer, or ``instance`` is none
        :raises nova_xloud.errors.Refused: the request is not admitted, or nova-compute is stopping
        :raises nova_xloud.errors.GuestRefused: the request is admitted, and the guest does not have
            the vCPUs, or did not get them in time
        :raises nova_xloud.errors.DomainError: the guest could not be read, or libvirt failed a call
        """
        arguments.check_instance(instance)
        count = arguments.integer("new_count", new_count)
        self.xloud.hotplug_vcpus(context, instance, count)

    def cleanup_host(self) -> None:
        """Stop nova-xloud's runs and automatic growth, clean up as Nova does, and end the metrics.

        A run stops before its next step.
        """
        self.xloud.close()
        super().cleanup_host()
        # Last, because it may wait for half a second, which must not delay Nova's own cleanup.
        self._metrics.stop()

    def post_live_migration_at_destination(
        self, context: Any, instance: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Have the guest that has arrived count as booted long ago, then do what Nova does.

        The guest is new on this host, but it has booted on the source. If libvirt does not answer,
        a warning is logged, and the guest may get a boot grace as if it had just started.
        """
        self._has_arrived(instance)
        return super().post_live_migration_at_destination(context, instance, *args, **kwargs)

    def _has_arrived(self, instance: Any) -> None:
        try:
            connection = self.xloud_ports.connection()
            if connection is None:
                return
            # Imported here, because nova-api loads this module too.
            from nova_xloud.libvirt.domain_stats import boot_ids

            running = boot_ids(connection)
        except DomainError as error:
            LOG.warning(
                "Instance %s: its guest may count as just started for [xloud] boot_grace seconds, "
                "because libvirt did not return its domain id after the live migration: %s",
                instance.uuid,
                error,
            )
            return
        if instance.uuid in running:
            self._boot_grace.arrived_by_migration(instance.uuid, running[instance.uuid])

    @staticmethod
    def _set_instance_info(instance: Any, flavor: Any) -> None:
        """Set flavor and columns as Nova does, but ``vcpus`` and ``memory_mb`` to what is claimed.

        Nova calls this at a resize, at its revert, and when a resize fails, and saves the instance
        afterwards. The record becomes that of ``flavor``. At a resize the record also keeps the
        sizes of the previous flavor, for a revert. If the instance is not elastic and ``flavor``
        names no minimum, the columns are Nova's.
        """
        nova_objects.keep_what_is_claimed(instance)
        manager.ComputeManager._set_instance_info(instance, flavor)
        if nova_objects.is_elastic(instance, flavor):
            facts = nova_objects.facts_of_instance(instance)
            # If the record is unreadable the columns count as desired: the flavor's size would be
            # more than is claimed.
            boot = bounds_of(facts).boot
            instance.vcpus, instance.memory_mb = boot.vcpus, boot.memory_mb
            desired = nova_objects.desired_of(instance, facts)
            nova_objects.set_desired(instance, desired)
            instance.vcpus = desired.claim.vcpus
            instance.memory_mb = desired.claim.memory_mb

    def rebuild_instance(
        self,
        context: Any,
        instance: Any,
        orig_image_ref: Any,
        image_ref: Any,
        injected_files: Any,
        new_pass: Any,
        orig_sys_metadata: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Rebuild as Nova does, unless the new guest would need more than is claimed.

        Such a rebuild is refused before the old guest is destroyed, and the instance gets its old
        image and that image's properties back. A rebuild whose new image cannot be read ends in the
        same way. Only elastic instances are checked. An evacuation is not checked, because it keeps
        the image.

        :raises nova.exception.ImageUnacceptable: the new guest would need more than is claimed
        :raises nova.exception.NovaException: Glance did not return the image, or the rebuild failed
        """
        if image_ref and orig_sys_metadata and nova_objects.is_elastic(instance):
            try:
                images.check_rebuild_image(
                    context, self.image_api, instance, orig_sys_metadata, image_ref
                )
            except Exception as refused:  # noqa: BLE001 - it is raised again below
                # Glance, Cinder or the database may fail here too: nothing was begun yet.
                _put_image_back(instance, orig_image_ref, orig_sys_metadata)
                self._refuse_rebuild(context, instance, refused)
        return super().rebuild_instance(
            context,
            instance,
            orig_image_ref,
            image_ref,
            injected_files,
            new_pass,
            orig_sys_metadata,
            *args,
            **kwargs,
        )

    @manager.wrap_exception()
    @manager.reverts_task_state
    @manager.wrap_instance_fault
    def _refuse_rebuild(self, context: Any, instance: Any, refused: Exception) -> None:
        """Raise ``refused``, and end the rebuild as Nova ends an operation that fails at once.

        The decorators reset the ``task_state`` and record a fault. The event
        ``compute_rebuild_instance`` of the instance action ends with the error.
        """
        with compute_utils.EventReporter(
            context, "compute_rebuild_instance", self.host, instance.uuid
        ):
            raise refused

    def _get_rescue_image(self, context: Any, instance: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the rescue image as Nova does, unless its guest would need more than is claimed.

        Nova calls this before it powers off the guest, so a refusal leaves the guest as it is.

        :raises nova.exception.InstanceNotRescuable: the guest would need more than is claimed
        """
        image = super()._get_rescue_image(context, instance, *args, **kwargs)
        if nova_objects.is_elastic(instance):
            images.check_rescue_image(context, self, instance, image)
        return image

    def _reconcile_after(self, done_to: Any) -> None:
        """Forget what is known of a guest's balloon driver; for an elastic guest start a pass.

        An error here is logged and not raised, because the operation itself has succeeded.

        :param done_to: the ``nova.objects.Instance`` on which an operation of Nova has succeeded
        """
        try:
            self._watch.changed(done_to.uuid)
            if nova_objects.is_elastic_as_loaded(done_to):
                self.xloud.reconcile()
        except Exception:
            LOG.warning(
                "Instance %s: no reconcile pass could be started after an operation on it; the "
                "next pass checks it.",
                done_to.uuid,
                exc_info=True,
            )


def _put_image_back(instance: Any, ref: Any, before: Any) -> None:
    """Restore the image of an instance whose rebuild is refused, and save the instance.

    Nova's API has already written the properties of the new image into ``system_metadata``. The
    next guest would be made with them.

    :param ref: the id of the image before the rebuild; not used for an instance that boots from a
        volume
    :param before: the ``system_metadata`` before the rebuild
    """
    prefix = utils.SM_IMAGE_PROP_PREFIX
    others = {k: v for k, v in instance.system_metadata.items() if not k.startswith(prefix)}
    image = {k: v for k, v in before.items() if k.startswith(prefix)}
    instance.system_metadata = {**others, **image}
    if instance.image_ref:
        instance.image_ref = ref
    instance.save()


def _reconcile_every(seconds: int) -> Callable[[Any, Any], None]:
    @periodic_task.periodic_task(spacing=seconds)
    def xloud_reconcile(manager: Any, context: Any) -> None:
        manager.xloud.reconcile()

    task: Callable[[Any, Any], None] = xloud_reconcile
    return task


def _with_reconcile_after(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, context, *args, **kwargs)
        for argument in (*args, *kwargs.values()):
            if isinstance(argument, objects.Instance):
                self._reconcile_after(argument)
        return result

    return call


for _name in _RECONCILE_AFTER:
    setattr(XloudComputeManager, _name, _with_reconcile_after(getattr(XloudComputeManager, _name)))
