# SPDX-License-Identifier: Apache-2.0
"""Find secrets in logs: tokens, passwords, and the headers that carry them.

::

    python -m tests.log_secrets FILE...
"""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# What stands in a log for a secret that was left out: ***, <SANITIZED>, the hash of keystoneauth;
# [...] is written here.
_LEFT_OUT = r"(?:\*\*\*|<[A-Z_]+>|\{SHA256\}|\[Filtered\]|\[\.\.\.\]|None\b|null\b)"
_VALUE = rf"(?![\"']?{_LEFT_OUT})[\"']?[^\s\"',}}\]]+"
# By name, what a secret of that kind looks like. The value is the last group.
KINDS = {
    "a token of Keystone": re.compile(r"(gAAAAA[A-Za-z0-9_-]{60,})"),
    "a header with a token": re.compile(
        rf"(?i)x-(?:auth|subject|service|storage)-token[\"']?\s*[:=]\s*b?({_VALUE})"
    ),
    "a header with a password": re.compile(
        rf"(?i)authorization[\"']?\s*[:=]\s*b?[\"']?(?:basic|bearer|digest)\s+({_VALUE})"
    ),
    "a password": re.compile(
        rf"(?i)[\"']?\b(?:\w*(?:password|passwd|passphrase|secret_key|admin_pass|adminpass))[\"']?"
        rf"\s*[:=]\s*u?({_VALUE})"
    ),
    "a password in a URL": re.compile(
        r"\b[a-z][a-z0-9+]*://[^\s:/@\"']+:(?!\*\*\*@)([^\s/@\"']+)@"
    ),
    "a private key": re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)"),
}


@dataclass(frozen=True)
class Found:
    """A secret in a log, without the secret itself, because this is printed.

    :ivar where: file and line
    :ivar kind: a key of ``KINDS``, or what the caller has named it
    :ivar line: the line, with every secret in it replaced
    """

    where: str
    kind: str
    line: str

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}: {self.line}"


def secrets_in(
    lines: Iterable[str], where: str = "", known: dict[str, str] | None = None
) -> Iterator[Found]:
    """Yield the secrets in lines of a log, at most one a line.

    :param where: the name of the log
    :param known: by secret, what it is: passwords and tokens that the caller has given out
    """
    for number, line in enumerate(lines, 1):
        kinds, shown = _without_secrets(line.strip(), known or {})
        if kinds:
            yield Found(f"{where}:{number}", kinds[0], shown[:300])


def _without_secrets(line: str, known: dict[str, str]) -> tuple[list[str], str]:
    """Return the kinds of the secrets in a line, and the line with all of them replaced."""
    kinds = []
    for secret, kind in known.items():
        if secret in line:
            kinds.append(kind)
            line = line.replace(secret, "[...]")
    for kind, pattern in KINDS.items():
        for secret in pattern.findall(line):
            kinds.append(kind)
            line = line.replace(secret, "[...]")
    return kinds, line


def secrets_in_files(files: Iterable[Path], known: dict[str, str] | None = None) -> Iterator[Found]:
    """Yield the secrets in log files; a file that is gone has none."""
    for file in files:
        if file.is_file():
            with file.open(errors="replace") as lines:
                yield from secrets_in(lines, str(file), known)


if __name__ == "__main__":
    secrets = list(secrets_in_files(map(Path, sys.argv[1:])))
    sys.stdout.writelines(f"{one}\n" for one in secrets)
    sys.exit(bool(secrets))
