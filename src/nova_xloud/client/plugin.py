# SPDX-License-Identifier: Apache-2.0
"""What ``openstack`` loads: names that osc-lib looks for."""

from __future__ import annotations

import argparse

# The commands are in the entry point group openstack.<API_NAME>.v<DEFAULT_API_VERSION>. There is
# one version, so no option asks for it. A make_client is not needed: the commands take the
# connection of openstacksdk, which osc-lib has already.
API_NAME = "xloud"
API_VERSION_OPTION = "os_xloud_api_version"
DEFAULT_API_VERSION = "1"


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """There are no global options."""
    return parser
