# SPDX-License-Identifier: Apache-2.0
"""The API reference, by os-api-ref; the rest of the site is in docs/."""

import importlib.metadata

project = "nova-xloud API"
copyright = "nova-xloud founders"
# Without the commit: the theme has no room for that.
version = release = importlib.metadata.version("nova-xloud").partition("+")[0]

extensions = ["os_api_ref", "openstackdocstheme"]
# The theme says that pages are under a licence of their own, and reports who reads them.
templates_path = ["../../docs/_templates"]
html_theme = "openstackdocs"
html_theme_options = {
    "sidebar_mode": "toc",
    "show_other_versions": False,
    "analytics_tracking_code": "",
}
html_show_sourcelink = False
openstackdocs_repo_name = "nova-xloud"
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_pdf_link = False
