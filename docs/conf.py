# SPDX-License-Identifier: Apache-2.0
"""The site: Markdown, which the forge shows as well (decisions/0029-docs.md)."""

import importlib.metadata
import pathlib
import posixpath
import re

from docutils import nodes
from docutils.parsers.rst import Directive

ROOT = pathlib.Path(__file__).parent.parent
# reno reads Git's history; an archive has none.
HAS_HISTORY = (ROOT / ".git").exists()
# Files that the forge shows at the root of the repository, and the pages that the site has of them.
ROOT_FILES = {
    "ARCHITECTURE.md": "contribute/architecture",
    "CONTRIBUTING.md": "contribute/contributing",
    "HACKING.md": "contribute/hacking",
    "UPGRADING-NOVA.md": "contribute/upgrading-nova",
}

project = "nova-xloud"
copyright = "nova-xloud founders"
# Without the commit: the theme has no room for that.
version = release = importlib.metadata.version("nova-xloud").partition("+")[0]

# What the page of back-tests says in words is a part of that page.
exclude_patterns = ["backtest-data"]
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


def _page_of(link, folder):
    """A link in that folder of docs/, to the page that the site has of its target."""
    target = posixpath.normpath(posixpath.join("docs", folder, link))
    page = f"docs/{ROOT_FILES[target]}.md" if target in ROOT_FILES else target
    return posixpath.relpath(page, posixpath.join("docs", folder))


def read_source(app, docname, source):
    """Put the root's files in place of the pages that stand for them, and mend links to them."""
    folder = posixpath.dirname(docname)
    up = ""
    for name, page in ROOT_FILES.items():
        if page == docname:
            app.env.note_dependency(str(ROOT / name))
            source[0] = (ROOT / name).read_text()
            # What is a link at the root is one from the page's folder.
            up = "../../"
    source[0] = re.sub(
        r"\]\((?!https?:|#)([^)#]+\.(?:md|toml|py|svg))",
        lambda link: f"]({_page_of(up + link[1], folder)}",
        source[0],
    )


def setup(app):
    """For Sphinx."""
    app.connect("source-read", read_source)
    if not HAS_HISTORY:
        app.add_directive("release-notes", WithoutHistory)
