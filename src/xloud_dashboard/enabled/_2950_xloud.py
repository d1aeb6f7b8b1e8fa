# SPDX-License-Identifier: Apache-2.0
"""The plugin itself, its script and style, and the tab Size of Nova's pages of a server."""

FEATURE = "xloud"
ADD_INSTALLED_APPS = ["xloud_dashboard"]
ADD_JS_FILES = ["xloud_dashboard/size.js"]
ADD_SCSS_FILES = ["xloud_dashboard/size.scss"]
EXTRA_TABS = {
    "openstack_dashboard.dashboards.project.instances.tabs.InstanceDetailTabs": (
        (100, "xloud_dashboard.size.tab.SizeTab"),
    ),
    "openstack_dashboard.dashboards.admin.instances.tabs.AdminInstanceDetailTabs": (
        (100, "xloud_dashboard.size.tab.AdminSizeTab"),
    ),
}
