# SPDX-License-Identifier: Apache-2.0
"""The libvirt driver: a guest is defined with the size that is desired of it."""

from __future__ import annotations

from typing import Any

import nova.conf
from nova import exception
from nova.virt.libvirt import driver

from nova_xloud.core.envelope import envelope
from nova_xloud.scheduling import holdings
from nova_xloud.seams.libvirt_config import ConfiguredSize

CONF = nova.conf.CONF
KIB_PER_MIB = 1024


class XloudLibvirtDriver(driver.LibvirtDriver):  # type: ignore[misc]
    """Nova's, for instances between a minimum and a maximum; for all others just Nova's."""

    def spawn(self, context: Any, instance: Any, *args: Any, **kwargs: Any) -> Any:
        _check_balloon(instance)
        return super().spawn(context, instance, *args, **kwargs)

    def _get_guest_config(self, instance: Any, *args: Any, **kwargs: Any) -> Any:
        guest = super()._get_guest_config(instance, *args, **kwargs)
        if not holdings.names_minimum(instance.flavor) and not holdings.has_record(instance):
            return guest
        facts = holdings.facts_of_instance(instance)
        bounds = envelope(facts)
        desired = holdings.desired_of(instance, facts)
        if desired != desired.restarted():
            # The XML is made where the guest starts anew; Nova saves the instance when it has.
            desired = desired.restarted()
            holdings.put_desired(instance, desired)
        if bounds.elastic or desired.generation:
            guest.xloud_size = ConfiguredSize(
                vcpus=desired.persisted.vcpus,
                removable_from=bounds.minimum.vcpus,
                memory_kib=desired.persisted.memory_mb * KIB_PER_MIB,
            )
        return guest


def _check_balloon(instance: Any) -> None:
    """Refuse to start here a guest that this host could not keep at its minimum.

    The scheduler has claimed the minimum; without a balloon the guest would have the maximum.
    """
    if not holdings.names_minimum(instance.flavor) or CONF.libvirt.mem_stats_period_seconds > 0:
        return
    bounds = envelope(holdings.facts_of_instance(instance))
    if bounds.boot.memory_mb < bounds.maximum.memory_mb:
        raise exception.ComputeResourcesUnavailable(
            reason="the flavor names a minimum_memory, but this host gives its guests no balloon "
            "device: set [libvirt] mem_stats_period_seconds to more than 0"
        )
