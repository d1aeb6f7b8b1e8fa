# SPDX-License-Identifier: Apache-2.0
"""Prints, as JSON, what Horizon's settings say of the plugin: a program with Django's settings."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

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


# The templates with bundles that Horizon has in every page.
_EVERY_PAGE = ("_stylesheets.html", "horizon/_scripts.html")
_OWN_CACHE = "django.core.cache.backends.locmem.LocMemCache"


def bundles_error() -> str:
    """Return that pages end with OfflineGenerationError, and why; empty if they do not.

    The blocks of every page's scripts and styles are rendered as a page does, with the context with
    which ``django compress`` has made their bundles: a block that has changed since, as by another
    plugin or another Horizon, is not in the manifest. Horizon's cache is not asked: parts of these
    blocks are in it, perhaps from before.
    """
    django.setup()
    try:
        with override_settings(CACHES={"default": {"BACKEND": _OWN_CACHE}}):
            without = _without_bundle()
    except Exception as error:  # noqa: BLE001 - it is told
        return f"whether each page's bundles are there cannot be found out: {error!r}"
    if without is None:
        return ""
    return (
        "every page ends with OfflineGenerationError: the manifest is not that of this Horizon and "
        f"its plugins, and has no bundle for a block of {without}"
    )


def _without_bundle() -> str | None:
    """Return the name of the first template with a block that has no bundle; None if all have."""
    from compressor.exceptions import OfflineGenerationError

    for name, node, context in _blocks():
        try:
            node.render(context)
        except OfflineGenerationError:
            return name
    return None


def _blocks() -> Iterator[tuple[str, Any, Any]]:
    """Yield the blocks, each with its template's name and its context, for each theme."""
    from compressor.offline.django import DjangoParser
    from django.template import Context
    from django.template.loader import get_template
    from horizon.themes import offline_context

    parser = DjangoParser("utf-8")
    for told in offline_context():
        for name in _EVERY_PAGE:
            template = get_template(name).template
            context = Context(told)
            context.template = template
            for node in parser.walk_nodes(template, context=context):
                yield name, node, context


def main() -> None:
    """Print what a ``Probe`` has, as one line of JSON."""
    folder = Path(settings.STATIC_ROOT) / settings.COMPRESS_OUTPUT_DIR
    # Horizon's own settings do not name COMPRESS_OFFLINE; django-compressor's default is False.
    is_offline = bool(settings.COMPRESS_ENABLED and getattr(settings, "COMPRESS_OFFLINE", False))
    told = {
        "is_enabled": "xloud_dashboard" in settings.INSTALLED_APPS,
        "policies_error": _policies_error(),
        "settings_error": _settings_error(getattr(settings, "XLOUD_DASHBOARD", {})),
        "static_root": str(settings.STATIC_ROOT),
        "is_offline": is_offline,
        "bundles_error": bundles_error() if is_offline else "",
        "manifest": str(folder / getattr(settings, "COMPRESS_OFFLINE_MANIFEST", "manifest.json")),
    }
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main()
