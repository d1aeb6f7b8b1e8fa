# SPDX-License-Identifier: Apache-2.0
"""The site builds without a warning, and has every code that programs and people may meet."""

import re
import subprocess
import sys

import pytest

from nova_xloud import conf
from nova_xloud.core.instance import conditions
from nova_xloud.core.remedies.findings import FINDINGS
from tests import codes
from tests.generated import ROOT

PAGES = ("docs/admin/errors.md", "docs/admin/conditions.md")


def _page(path):
    return (ROOT / path).read_text()


def test_codes_are_found():
    found = codes.all_codes()
    for one in (
        "xloud.no_capacity", "xloud.blocked.vfio", "xloud.blocked.boot_vcpus",
        "xloud.blocked.hypervisor", "xloud.blocked.locked_memory", "xloud.balloon.no_driver",
        "xloud.guest_refused.not_in_time", "xloud.deferred", "xloud.failed",
    ):  # fmt: skip
        assert one in found
    assert len(found) > 40


@pytest.mark.parametrize("code", codes.all_codes())
def test_every_code_is_explained(code):
    # A star stands for all codes that begin like that.
    found = [path for path in PAGES if re.search(rf"^\|.* `{code}(\.\*)?` \|", _page(path), re.M)]
    assert found, f"{code} is in no table of {PAGES}"


def test_every_condition_is_explained():
    kinds = [v for k, v in vars(conditions).items() if k.isupper() and isinstance(v, str)]
    assert "ReservedTooLittle" in kinds
    headings = re.findall(r"^## (\w+)$", _page("docs/admin/conditions.md"), re.MULTILINE)
    assert sorted(headings) == sorted(kinds)


def test_pages_name_no_code_that_is_not_there():
    known = set(codes.all_codes()) | {"xloud.guest_refused"}
    for path in PAGES:
        named = {c for c in re.findall(r"`(xloud\.[a-z_.]+)`", _page(path))}
        assert named <= known, (path, named - known)


def test_every_broken_rule_is_explained():
    page = _page("docs/admin/capacity.md")
    missing = [code for code in FINDINGS if f"| `{code}` |" not in page]
    assert not missing


def test_options_that_pages_name_are_there():
    named = set()
    # Tempest's configuration has such a section too.
    for path in set((ROOT / "docs").rglob("*.md")) - {ROOT / "docs/tempest.md"}:
        named |= set(re.findall(r"\[xloud\]`? ?`?([a-z_]+)", path.read_text()))
    assert "boot_grace" in named
    assert named <= {option.name for option in conf.OPTS}


@pytest.mark.parametrize("source", ["docs", "api-ref/source"])
def test_it_builds_without_a_warning(source, tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html"]
    if (ROOT / ".git").exists():
        # Of an archive the theme warns that it is one.
        command += ["-W", "--keep-going"]
    done = subprocess.run(
        [*command, "-d", str(tmp_path / "doctrees"), str(ROOT / source), str(tmp_path / "site")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/index.html").stat().st_size > 5000


def test_every_sample_is_in_the_api_reference():
    reference = _page("api-ref/source/xloud.inc")
    samples = [path.name for path in (ROOT / "docs/api_samples").iterdir()]
    assert len(samples) > 20
    assert [name for name in samples if f"/{name}" not in reference] == []
