# SPDX-License-Identifier: Apache-2.0
"""The site: Markdown, which the forge shows as well (decisions/0029-docs.md)."""

import importlib.metadata
import pathlib

from docutils import nodes
from docutils.parsers.rst import Directive

# reno reads Git's history; an archive has none.
HAS_HISTORY = pathlib.Path(__file__).parent.with_name(".git").exists()

project = "nova-xloud"
copyright = "nova-xloud founders"
# Without the commit: the theme has no room for that.
version = release = importlib.metadata.version("nova-xloud").partition("+")[0]

extensions = ["myst_parser", "openstackdocstheme", *(["reno.sphinxext"] if HAS_HISTORY else [])]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
# As the forge does, so that pages link to headings of each other.
myst_heading_anchors = 3
# The theme says that pages are under a licence of their own, and reports who reads them.
templates_path = ["_templates"]
html_theme = "openstackdocs"
html_theme_options = {"show_other_versions": False, "analytics_tracking_code": ""}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
openstackdocs_repo_name = "nova-xloud"
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_pdf_link = False
# Indented blocks are commands, tables and answers alike.
highlight_language = "none"


class WithoutHistory(Directive):
    """What stands where reno's notes would."""

    def run(self):
        text = "This was built without Git's history; they are in the folder releasenotes/notes."
        return [nodes.paragraph(text=text)]


def setup(app):
    """For Sphinx."""
    if not HAS_HISTORY:
        app.add_directive("release-notes", WithoutHistory)
