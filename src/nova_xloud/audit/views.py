# SPDX-License-Identifier: Apache-2.0
"""Views: small copies of Nova's instances, with only the data that the rules need.

The rules are those of :mod:`nova_xloud.core.checks.finding`.

The views of a whole cloud are kept in memory. A ``nova.objects.Instance`` takes tens of KiB. A view
takes some hundred bytes: it refers to no object of Nova, and values that are equal in several views
(flavors, sizes) are in memory once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, TypeVar

from nova_xloud.adapters import nova_objects
from nova_xloud.audit.cloud import Host
from nova_xloud.core.checks.invariants import ElasticInstance
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.values import UnreadableRecord
from nova_xloud.core.sizing.bounds import FlavorFacts

T = TypeVar("T")


class Once:
    """Keeps one object for all values that are equal, to save memory."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def of(self, value: T, key: Hashable = None) -> T:
        """Return the first value that was given here and equals ``value``; it may be ``value``.

        :param key: is compared in place of ``value``, for a value that cannot be hashed
        """
        kept: T = self._kept.setdefault(value if key is None else key, value)
        return kept


class Views:
    """Makes views of instances.

    :param hosts: all compute nodes of the cloud
    """

    def __init__(self, hosts: Iterable[Host]) -> None:
        self._by_node = {(host.name, host.node): host for host in hosts}
        self._once = Once()

    def of(self, instance: Any) -> ElasticInstance | None:
        """Return the view of a ``nova.objects.Instance``, without its migrations and its guest.

        :returns: None for an instance that is not elastic, because the rules need only its
            allocation in Placement
        """
        if not nova_objects.is_elastic(instance):
            return None
        facts = nova_objects.facts_of_instance(instance)
        # FlavorFacts has dicts and cannot be hashed; its repr has all of its members.
        facts = self._once.of(facts, repr(facts))
        host = self._by_node.get((instance.host, instance.node))
        return ElasticInstance(
            uuid=instance.uuid,
            host=host.name if host is not None else instance.host,
            provider=host.provider if host is not None else None,
            facts=facts,
            desired=self._desired(instance, facts),
            recorded=self._once.of(nova_objects.recorded_size(instance)),
            busy=instance.task_state is not None,
        )

    def _desired(self, instance: Any, facts: FlavorFacts) -> Desired | None:
        """Return the persisted and the live size of the instance, without the rest of its record.

        :returns: None if the record is unreadable
        """
        try:
            desired = nova_objects.read_desired(instance, facts)
        except UnreadableRecord:
            return None
        return self._once.of(Desired(desired.persisted, desired.live))
