# SPDX-License-Identifier: Apache-2.0
"""The class by which Tempest loads the plugin's tests, options and client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tempest import config
from tempest.test_discover import plugins

from nova_xloud_tempest_plugin import config as xloud_config


class XloudTempestPlugin(plugins.TempestPlugin):  # type: ignore[misc]
    """The plugin, registered under the entry point ``tempest.test_plugins``."""

    def load_tests(self) -> tuple[str, str]:
        """Return the folder of the tests, and the folder from which their package is imported."""
        package = Path(__file__).resolve().parent
        return str(package / "tests"), str(package.parent)

    def register_opts(self, conf: Any) -> None:
        """Register the plugin's options on Tempest's configuration."""
        conf.register_opt(xloud_config.AVAILABLE, group="service_available")
        conf.register_group(xloud_config.GROUP)
        conf.register_opts(xloud_config.OPTIONS, group=xloud_config.GROUP)

    def get_opt_lists(self) -> list[tuple[str, list[Any]]]:
        """Return the plugin's options by group, for the sample of tempest.conf."""
        return [
            ("service_available", [xloud_config.AVAILABLE]),
            (xloud_config.GROUP.name, xloud_config.OPTIONS),
        ]

    def get_service_clients(self) -> list[dict[str, Any]]:
        """Return the one client, which uses Nova's endpoint: nova-xloud extends Nova's API."""
        return [
            {
                "name": "xloud",
                "service_version": "xloud",
                "module_path": "nova_xloud_tempest_plugin.services",
                "client_names": ["XloudClient"],
                **config.service_client_config("compute"),
            }
        ]
