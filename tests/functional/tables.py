# SPDX-License-Identifier: Apache-2.0
"""Tables as the ``openstack`` shell prints them."""


def widest(text):
    """The length of the longest line."""
    return max(len(line) for line in text.splitlines())


def table_of(text):
    """A table of fields and values as a dict, each value in one line."""
    fields, last = {}, ""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| Field "):
            name, value = (cell.strip() for cell in line[1:-1].split(" | ", 1))
            last = name or last
            fields[last] = f"{fields.get(last, '')} {value}".strip()
    return fields


def heads_of(text):
    """The columns of a table."""
    return [cell.strip() for cell in text.splitlines()[1].strip("|").split("|")]
