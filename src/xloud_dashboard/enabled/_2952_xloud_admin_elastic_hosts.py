# SPDX-License-Identifier: Apache-2.0
"""The panel Elastic hosts, beside Nova's own in the dashboard Admin."""

PANEL = "elastic_hosts"
PANEL_DASHBOARD = "admin"
PANEL_GROUP = "compute"
ADD_PANEL = "xloud_dashboard.elastic_hosts.panel.ElasticHosts"
