# SPDX-License-Identifier: Apache-2.0
"""Prints, as JSON, what Horizon's settings say of the plugin: a program with Django's settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from xloud_dashboard.config import POLICY_SCOPE, Config


def _settings_error(given: Any) -> str:
    try:
        Config.of(given)
    except ImproperlyConfigured as error:
        return str(error)
    return ""


def main() -> None:
    """Print what a ``Probe`` has, as one line of JSON."""
    rules = settings.DEFAULT_POLICY_FILES.get(POLICY_SCOPE, "")
    folder = Path(settings.STATIC_ROOT) / settings.COMPRESS_OUTPUT_DIR
    told = {
        "is_enabled": "xloud_dashboard" in settings.INSTALLED_APPS,
        "has_policies": POLICY_SCOPE in settings.POLICY_FILES and Path(rules).is_file(),
        "settings_error": _settings_error(getattr(settings, "XLOUD_DASHBOARD", {})),
        "static_root": str(settings.STATIC_ROOT),
        "is_offline": bool(settings.COMPRESS_ENABLED and settings.COMPRESS_OFFLINE),
        "manifest": str(folder / getattr(settings, "COMPRESS_OFFLINE_MANIFEST", "manifest.json")),
    }
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main()
