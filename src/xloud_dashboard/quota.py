# SPDX-License-Identifier: Apache-2.0
"""The quota of a project for vCPUs and memory: Nova's limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from nova_xloud.client.errors import understood
from nova_xloud.client.values import integer

# What Nova answers where there is no limit.
_NO_LIMIT = -1


@dataclass(frozen=True)
class Limit:
    """The quota of one resource.

    :ivar most: how much the project may have; None if there is no limit
    :ivar used: how much of that Nova counts as used, by elastic servers and by others
    """

    unit: str
    most: int | None
    used: int

    @property
    def in_words(self) -> str:
        """The quota in words."""
        told = {"most": self.most, "used": self.used, "unit": self.unit}
        if self.most is None:
            return _("%(used)s %(unit)s, no limit") % told
        return _("%(used)s of %(most)s %(unit)s") % told

    def with_more(self, more: int) -> str:
        """Return the quota in words, and how much is used after ``more`` of it, if that differs."""
        if not more:
            return self.in_words
        return _("%(now)s, %(then)s after this adjustment") % {
            "now": self.in_words,
            "then": self.used + more,
        }


def limits(compute: Any, project_id: str | None = None) -> tuple[Limit, Limit]:
    """Return the quota of vCPUs and of memory of a project.

    :param compute: ``Connection.compute``
    :param project_id: None: the user's own
    :raises openstack.exceptions.SDKException: Nova does not answer, or with an error
    :raises nova_xloud.client.errors.UnreadableAnswer: the answer has another form than Nova's
    """
    with understood("/limits"):
        asked = {} if project_id is None else {"tenant_id": project_id}
        absolute = compute.get_limits(**asked).absolute
        return (
            _limit("vCPUs", absolute.total_cores, absolute.total_cores_used),
            _limit("MiB", absolute.total_ram, absolute.total_ram_used),
        )


def _limit(unit: str, most: Any, used: Any) -> Limit:
    number = integer(most)
    return Limit(unit, None if number == _NO_LIMIT else number, integer(used))
