# SPDX-License-Identifier: Apache-2.0
"""The settings of the plugin: the dictionary ``XLOUD_DASHBOARD`` of Horizon's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

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
    :ivar prometheus_url: where Prometheus has the metrics of nova-xloud, as Horizon reaches it;
        empty: there is none
    """

    seconds_while_changing: int = 2
    seconds_at_rest: int = 15
    servers_per_page: int = 100
    prometheus_url: str = ""

    @staticmethod
    def of(given: Any) -> Config:
        """Return the settings that ``given``, the value of ``XLOUD_DASHBOARD``, stands for.

        :raises ImproperlyConfigured: a name is unknown, or a value is not of its form
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
            is_right, form = _URL if name == "prometheus_url" else _NUMBER
            if not is_right(value):
                raise ImproperlyConfigured(
                    f"XLOUD_DASHBOARD[{name!r}] is {value!r}, and has to be {form}"
                )
        return Config(**given)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_url(value: Any) -> bool:
    if value == "":
        return True
    try:
        parts = urlsplit(value)
        # The port is looked at when it is read.
        has_host = bool(parts.hostname) and parts.port != 0
    except (AttributeError, TypeError, ValueError):
        return False
    is_http = isinstance(value, str) and parts.scheme in ("http", "https")
    return is_http and has_host and not parts.query and not parts.fragment


# For each kind of setting, whether a value has its form, and that form in words.
_NUMBER = (_is_number, "a whole number above 0")
_URL = (_is_url, "a URL that begins with http:// or https:// and has no query, or empty")


def config() -> Config:
    """Return the settings of the plugin in this Horizon.

    :raises ImproperlyConfigured: the setting ``XLOUD_DASHBOARD`` is wrong
    """
    return Config.of(getattr(settings, "XLOUD_DASHBOARD", {}))
