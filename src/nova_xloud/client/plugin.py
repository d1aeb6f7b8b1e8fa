# SPDX-License-Identifier: Apache-2.0
"""The plugin of the command ``openstack``: the names that osc-lib needs in a plugin's module."""

from __future__ import annotations

import argparse

# The commands are in the entry point group openstack.<API_NAME>.v<DEFAULT_API_VERSION>. There is
# one version, so no option asks for a version. A make_client is not needed: the commands use the
# connection of openstacksdk that osc-lib has already.
API_NAME = "xloud"
API_VERSION_OPTION = "os_xloud_api_version"
DEFAULT_API_VERSION = "1"


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Return ``parser`` unchanged: the plugin has no global options."""
    return parser
