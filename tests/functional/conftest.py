# SPDX-License-Identifier: Apache-2.0
"""Nova's own functional fixtures, from the installed wheel, with nova-xloud installed in Nova."""

from tests.nova_own.plugin import extend_nova, nova_under_pytest

__all__ = ["nova_under_pytest"]

# Whatever the plugin was told of NOVA_XLOUD_STOCK.
extend_nova()
