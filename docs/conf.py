# SPDX-License-Identifier: Apache-2.0
"""The site: Markdown, which the forge shows as well (decisions/0029-docs.md)."""

import importlib.metadata
import pathlib
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


def _as_in_docs(link):
    """A link of a file at the root of the repository, from a page in a folder of docs/."""
    target = link[1]
    if target in ROOT_FILES:
        return f"]({pathlib.PurePath(ROOT_FILES[target]).name}.md"
    return f"](../{target.removeprefix('docs/')}" if target.startswith("docs/") else f"](../../{target}"


def read_root_file(app, docname, source):
    """Put the file of :data:`ROOT_FILES` in place of the page that stands for it."""
    for name, page in ROOT_FILES.items():
        if page == docname:
            app.env.note_dependency(str(ROOT / name))
            source[0] = re.sub(r"\]\((?!https?:|#)([^)#]+)", _as_in_docs, (ROOT / name).read_text())


def setup(app):
    """For Sphinx."""
    app.connect("source-read", read_root_file)
    if not HAS_HISTORY:
        app.add_directive("release-notes", WithoutHistory)
