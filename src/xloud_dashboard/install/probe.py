# SPDX-License-Identifier: Apache-2.0
"""Prints, as JSON, what Horizon's settings say of the plugin: a program with Django's settings."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from xloud_dashboard.config import POLICY_SCOPE, Config


def _settings_error(given: Any) -> str:
    try:
        Config.of(given)
    except ImproperlyConfigured as error:
        return str(error)
    return ""


class _Said(logging.Handler):
    """Keeps what is logged about the rules of nova-xloud."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        if POLICY_SCOPE in record.getMessage():
            self.lines.append(record.getMessage().rstrip("."))


def _policies_error() -> str:
    """Return why the pages offer nothing: what is wrong with the rules; empty if nothing is.

    The rules are loaded as Horizon loads them, so this is about every file that they are in.
    """
    if not settings.POLICY_CHECK_FUNCTION:
        return ""
    if not (
        POLICY_SCOPE in settings.POLICY_FILES and POLICY_SCOPE in settings.DEFAULT_POLICY_FILES
    ):
        return (
            f"DEFAULT_POLICY_FILES and POLICY_FILES need the key {POLICY_SCOPE!r}, and a later "
            "file of local_settings.d may have removed it"
        )
    django.setup()
    from xloud_dashboard import permissions

    said = _Said()
    logging.getLogger("openstack_auth.policy").addHandler(said)
    try:
        asked_for = permissions.ASKED_FOR
        missing = [one for one in asked_for if not permissions.has_rule(POLICY_SCOPE, one)]
    except Exception as error:  # noqa: BLE001 - it is told
        name = settings.POLICY_FILES[POLICY_SCOPE]
        return f"loading its rules fails, probably those in {name}: {error!r}"
    return "; ".join([f"it has no {', '.join(missing)}", *said.lines]) if missing else ""


def main() -> None:
    """Print what a ``Probe`` has, as one line of JSON."""
    folder = Path(settings.STATIC_ROOT) / settings.COMPRESS_OUTPUT_DIR
    told = {
        "is_enabled": "xloud_dashboard" in settings.INSTALLED_APPS,
        "policies_error": _policies_error(),
        "settings_error": _settings_error(getattr(settings, "XLOUD_DASHBOARD", {})),
        "static_root": str(settings.STATIC_ROOT),
        "is_offline": bool(settings.COMPRESS_ENABLED and settings.COMPRESS_OFFLINE),
        "manifest": str(folder / getattr(settings, "COMPRESS_OFFLINE_MANIFEST", "manifest.json")),
    }
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main()
