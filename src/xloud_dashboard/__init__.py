# SPDX-License-Identifier: Apache-2.0
"""The plugin of Horizon, OpenStack's dashboard: sizes of servers, seen and changed in a browser.

size              the tab Size of a server, and what its forms and its script ask for
elastic_servers   the panel of the dashboard Project
elastic_hosts     the panel of the dashboard Admin
api               the connection to the cloud, with the user's token
quota             the quota of a project: Nova's limits
hypervisors       what compute hosts have: Nova's list
prometheus        sizes in the past, where the operator has a Prometheus
permissions       what the user may do
config            the settings of the plugin, in one place
install           ``python -m xloud_dashboard``: links the plugin into an installed Horizon
enabled           what Horizon reads to find the plugin (linked)
local_settings.d  what Horizon's settings are completed with (linked)
policies          the rules of nova-xloud in Horizon's format (generated)

The plugin imports ``nova_xloud.client`` and no other part of nova-xloud, and no Nova.
"""
