# SPDX-License-Identifier: Apache-2.0
"""The plugin of Horizon, OpenStack's dashboard: sizes of servers, seen and changed in a browser.

config            the settings of the plugin, in one place
install           ``python -m xloud_dashboard``: links the plugin into an installed Horizon
enabled           what Horizon reads to find the plugin (linked)
local_settings.d  what Horizon's settings are completed with (linked)
policies          the rules of nova-xloud in Horizon's format (generated)

The plugin imports ``nova_xloud.client`` and no other part of nova-xloud, and no Nova.
"""
