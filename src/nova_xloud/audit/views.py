# SPDX-License-Identifier: Apache-2.0
"""What the rules need of Nova's instances, made to be kept for a whole cloud.

A ``nova.objects.Instance`` takes tens of KiB. A view takes some hundred bytes: it has no object of
Nova's, and what is equal in two views (flavors, sizes) is in memory once.
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
    """Keeps one of all values that are equal."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def of(self, value: T, key: Hashable = None) -> T:
        """The value that was kept first of those equal to ``value``.

        :param key: in place of a value that cannot be hashed
        """
        kept: T = self._kept.setdefault(value if key is None else key, value)
        return kept


class Views:
    """Makes views.

    :param hosts: where instances may be
    """

    def __init__(self, hosts: Iterable[Host]) -> None:
        self._by_node = {(host.name, host.node): host for host in hosts}
        self._once = Once()

    def of(self, instance: Any) -> ElasticInstance | None:
        """What the rules need of a ``nova.objects.Instance``, without what others tell of it.

        :returns: None for one that is not elastic: of it the rules need only what its node's
            allocations say
        """
        if not nova_objects.is_elastic(instance):
            return None
        facts = nova_objects.facts_of_instance(instance)
        # Its dicts cannot be hashed; its text says all that is in it.
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
        """The sizes of its record, and nothing else of it; None: nobody can read it."""
        try:
            desired = nova_objects.read_desired(instance, facts)
        except UnreadableRecord:
            return None
        return self._once.of(Desired(desired.persisted, desired.live))
