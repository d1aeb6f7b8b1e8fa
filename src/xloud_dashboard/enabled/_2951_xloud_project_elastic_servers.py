# SPDX-License-Identifier: Apache-2.0
"""The panel Elastic servers, beside Nova's own in the dashboard Project."""

PANEL = "elastic_servers"
PANEL_DASHBOARD = "project"
PANEL_GROUP = "compute"
ADD_PANEL = "xloud_dashboard.elastic_servers.panel.ElasticServers"
