# SPDX-License-Identifier: Apache-2.0
"""The plugin itself: its templates, its script and its style."""

FEATURE = "xloud"
ADD_INSTALLED_APPS = ["xloud_dashboard"]
