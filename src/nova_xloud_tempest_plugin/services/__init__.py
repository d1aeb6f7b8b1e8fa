# SPDX-License-Identifier: Apache-2.0
"""The clients that Tempest registers under the name "xloud"."""

from nova_xloud_tempest_plugin.services.xloud_client import XloudClient

__all__ = ["XloudClient"]
