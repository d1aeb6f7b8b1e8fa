# SPDX-License-Identifier: Apache-2.0
"""Extend the manager of nova-compute by the engine of nova-xloud.

That is its RPC endpoints, the reconcile passes and metrics, the checks of images, and the size that
a resize writes into the instance.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

import nova.conf
from nova import exception, objects, utils
from nova.compute import manager
from nova.compute import utils as compute_utils
from oslo_service import periodic_task

from nova_xloud import conf
from nova_xloud.adapters import nova_objects
from nova_xloud.adapters.host_instances import NovaHostInstances
from nova_xloud.adapters.open_instance import InstancePorts
from nova_xloud.compute.boot_grace import BootGrace
from nova_xloud.compute.host import Host
from nova_xloud.compute.watch import Watch
from nova_xloud.core.sizing.bounds import bounds_of
from nova_xloud.errors import DomainError
from nova_xloud.metrics.service import Metrics
from nova_xloud.rpc.endpoint import XloudEndpoint
from nova_xloud.seams import about, images
from nova_xloud.seams.resource_tracker import host_facts

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF

MANAGER = "nova_xloud.seams.compute_manager.XloudComputeManager"

# These operations may start or change the guest, so a reconcile pass begins after each.
_RECONCILE_AFTER = (
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

    It answers the RPC namespace ``xloud``, runs reconcile passes periodically and after operations
    that may change a guest, and serves metrics. At a resize it sets the columns of an elastic
    instance to what is claimed. It refuses images with which a guest would need more than is
    claimed.

    :ivar xloud: the engine of this host, :class:`nova_xloud.compute.host.Host`
    :ivar xloud_ports: builds the ports of an instance
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
        )
        self.additional_endpoints += [XloudEndpoint(self.xloud), about.of_compute()]
        self.add_periodic_task(_reconcile_every(CONF.xloud.reconcile_interval))

    def pre_start_hook(self, service_ref: Any) -> None:
        """Read the host's facts, serve metrics and start the first pass, after Nova's own hook."""
        super().pre_start_hook(service_ref)
        # Only now is the virt driver initialized, and libvirt can be asked.
        self.xloud.learn(host_facts(self.driver))
        self._metrics.start()
        self.xloud.service_starts()

    def hotplug_vcpus(self, context: Any, instance: Any, new_count: int) -> None:
        """Set the vCPUs of an instance to ``new_count``, and return when the guest has them.

        See :meth:`nova_xloud.compute.host.Host.hotplug_vcpus`.

        :raises nova_xloud.errors.Refused: the request is not admitted
        :raises nova_xloud.errors.GuestRefused: the guest does not follow, or not in time
        :raises nova_xloud.errors.DomainError: libvirt failed a call
        """
        self.xloud.hotplug_vcpus(context, instance, new_count)

    def cleanup_host(self) -> None:
        """Stop nova-xloud's runs, clean up as Nova does, and stop serving metrics."""
        self.xloud.close()
        super().cleanup_host()
        # Last, because it may wait for half a second, which must not delay Nova's own cleanup.
        self._metrics.stop()

    def post_live_migration_at_destination(
        self, context: Any, instance: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """End the boot grace of a guest that arrived, then do what Nova does.

        The guest is new on this host, but it has booted long before on the source. If libvirt does
        not answer, that is logged, and the guest counts as just booted.
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
                "Instance %s: it may count as just booted for the boot grace, because libvirt "
                "did not "
                "return its domain id after the live migration: %s",
                instance.uuid,
                error,
            )
            return
        if instance.uuid in running:
            self._boot_grace.arrived_by_migration(instance.uuid, running[instance.uuid])

    @staticmethod
    def _set_instance_info(instance: Any, flavor: Any) -> None:
        """Set flavor and columns as Nova does, but the columns to what the instance holds.

        Nova calls this at a resize, at its revert, and when a resize fails, and saves the instance
        afterwards. The record gets the size that is claimed with ``flavor``, and keeps the one
        before for a revert. If neither ``flavor`` nor the instance makes it elastic, the columns
        are Nova's.
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

        If so, the rebuild is refused before the old guest is destroyed, and the properties of the
        old image are put back. Only elastic instances are checked.

        :raises nova.exception.ImageUnacceptable: the new guest would need more
        """
        if image_ref and orig_sys_metadata and nova_objects.is_elastic(instance):
            try:
                images.check_rebuild_image(
                    context, self.image_api, instance, orig_sys_metadata, image_ref
                )
            except exception.ImageUnacceptable as refused:
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

        The decorators reset the ``task_state`` and record a fault; the event of the instance action
        ends with the error.
        """
        with compute_utils.EventReporter(
            context, "compute_rebuild_instance", self.host, instance.uuid
        ):
            raise refused

    def _get_rescue_image(self, context: Any, instance: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the rescue image as Nova does, unless the guest would need more with it.

        Nova calls this before it powers off the guest, so a refusal leaves the guest running.

        :raises nova.exception.InstanceNotRescuable: the guest would need more than is claimed
        """
        image = super()._get_rescue_image(context, instance, *args, **kwargs)
        if nova_objects.is_elastic(instance):
            images.check_rescue_image(context, self, instance, image)
        return image

    def _reconcile_after(self, done_to: Any) -> None:
        """Forget what is known of a guest's balloon driver; start a pass if it is elastic.

        It is called after an operation of Nova on the instance ``done_to``. An error here is logged
        and not raised, because the operation itself has succeeded.
        """
        try:
            self._watch.changed(done_to.uuid)
            if nova_objects.is_elastic_as_loaded(done_to):
                self.xloud.reconcile()
        except Exception:
            LOG.warning(
                "Instance %s: no reconcile pass could be started after the operation.",
                done_to.uuid,
                exc_info=True,
            )


def _put_image_back(instance: Any, ref: Any, before: Any) -> None:
    """Restore the image of an instance whose rebuild is refused, and save the instance.

    Nova's API has already written the properties of the new image into ``system_metadata``, and the
    next guest would be made with them.

    :param ref: the id of the image before the rebuild; not used for a server that boots from a
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
