# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/admin that say what a code means and what to do, made of the remedies.

In a page a table is between two comments. `make generate` writes it anew; the text around it is
written by people.
"""

import posixpath
import re

from nova_xloud.core.remedies.blocked import BLOCKED
from nova_xloud.core.remedies.conditions import CONDITIONS
from nova_xloud.core.remedies.findings import FINDINGS
from nova_xloud.core.remedies.refusals import NOVAS, REFUSALS
from nova_xloud.core.remedies.table import REMEDIES
from nova_xloud.errors import Blocked, Refused
from tests.generated import ROOT

PAGES = ("docs/admin/capacity.md", "docs/admin/conditions.md", "docs/admin/errors.md")
_TABLE = re.compile(
    r"(<!-- remedies: (\w+), written by make generate -->\n).*?(<!-- end of remedies -->)",
    re.DOTALL,
)
_MEANS, _DO = "what it means", "what to do"


def names(path):
    """The names of the tables that a page has."""
    return [name for _, name, _ in _TABLE.findall((ROOT / path).read_text())]


def with_tables(path):
    """The text of a page, with each table as it is made now."""
    page = (ROOT / path).read_text()
    folder = posixpath.dirname(path)
    return _TABLE.sub(lambda found: f"{found[1]}\n{TABLES[found[2]](folder)}\n{found[3]}", page)


def _table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)


def _label(code):
    """The code, with a star if the entry is for all codes that begin with it."""
    is_family = any(other.startswith(f"{code}.") for other in REMEDIES)
    return f"`{code}.*`" if is_family else f"`{code}`"


def _do(remedy, folder, section=""):
    parts = [remedy.do]
    if remedy.operator:
        parts.append(f"*As an operator:* {remedy.operator}")
    if remedy.see and not remedy.see.endswith(f"#{section.lower()}"):
        parts.append(f"See {_link(remedy.see, folder)}.")
    return " ".join(parts)


def _link(see, folder):
    """A link from a page in that folder, with the heading that it leads to as its text."""
    path, _, anchor = see.partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / path).read_text(), re.MULTILINE)
    by_anchor = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-"): one for one in headings}
    heading = by_anchor[anchor] if anchor else headings[0]
    return f"[{heading}]({posixpath.relpath(posixpath.join('docs', see), folder)})"


def _refusals(folder):
    statuses = {cls.code: cls.status for cls in Refused.__subclasses__() if "code" in vars(cls)}
    statuses[Blocked.PREFIX.rstrip(".")] = Blocked.status
    rows = [(status, "(Nova's)", remedy) for status, remedy in NOVAS.items()]
    rows += [(statuses[code], _label(code), remedy) for code, remedy in REFUSALS.items()]
    rows.sort(key=lambda row: row[0])
    return _table(
        ["HTTP", "code", _MEANS, _DO],
        [[str(status), code, one.means, _do(one, folder)] for status, code, one in rows],
    )


def _blocked(folder):
    return _table(
        ["code", "about", "why", _DO],
        [[_label(c), one.about, one.means, _do(one, folder)] for c, one in BLOCKED.items()],
    )


def _reasons(remedies, section, header="reason"):
    def made(folder):
        rows = [[_label(c), one.means, _do(one, folder, section)] for c, one in remedies.items()]
        return _table([header, _MEANS, _DO], rows)

    return made


TABLES = {
    "refusals": _refusals,
    "blocked": _blocked,
    **{kind: _reasons(remedies, kind) for kind, remedies in CONDITIONS.items()},
    "findings": _reasons(FINDINGS, "findings", "it lists"),
}
