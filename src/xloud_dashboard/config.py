# SPDX-License-Identifier: Apache-2.0
"""The settings of the plugin: the dictionary ``XLOUD_DASHBOARD`` of Horizon's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

# The name under which Horizon keeps the rules of nova-xloud.
POLICY_SCOPE = "xloud"


@dataclass(frozen=True)
class Config:
    """The settings of the plugin, each with its default.

    :ivar seconds_while_changing: seconds between two readings of a status that a page shows, while
        the server is on its way to another size
    :ivar seconds_at_rest: seconds between two readings otherwise
    :ivar servers_per_page: how many servers a page of the panel Elastic servers has
    """

    seconds_while_changing: int = 2
    seconds_at_rest: int = 15
    servers_per_page: int = 100

    @staticmethod
    def of(given: Any) -> Config:
        """Return the settings that ``given``, the value of ``XLOUD_DASHBOARD``, stands for.

        :raises ImproperlyConfigured: a name is unknown, or a value is not a number above 0
        """
        known = {field.name for field in fields(Config)}
        if not isinstance(given, Mapping):
            raise ImproperlyConfigured(f"XLOUD_DASHBOARD is {given!r}, and has to be a dictionary")
        for name, value in given.items():
            if name not in known:
                raise ImproperlyConfigured(
                    f"XLOUD_DASHBOARD has the unknown key {name!r}; the keys are "
                    f"{', '.join(sorted(known))}"
                )
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ImproperlyConfigured(
                    f"XLOUD_DASHBOARD[{name!r}] is {value!r}, and has to be a whole number above 0"
                )
        return Config(**given)


def config() -> Config:
    """Return the settings of the plugin in this Horizon.

    :raises ImproperlyConfigured: the setting ``XLOUD_DASHBOARD`` is wrong
    """
    return Config.of(getattr(settings, "XLOUD_DASHBOARD", {}))
