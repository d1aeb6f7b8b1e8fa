"""What is in the wheel, and what its metadata says."""

import email
import tarfile
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from tests.distribution.conftest import REPOSITORY

# Everything a program or another package looks up by name.
GROUPS = {
    "console_scripts",
    "nova.api.extra_spec_validators",
    "oslo.policy.policies",
    "oslo.config.opts",
    "oslo.policy.enforcer",
    "openstack.cli.extension",
    "openstack.xloud.v1",
    "tempest.test_plugins",
}

# Of what Python or Horizon reads of a package; the templates, static files and rules are Horizon's.
SUFFIXES = {".py", ".html", ".js", ".scss", ".yaml"}


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    return zipfile.ZipFile(wheel).namelist()


def read(wheel: Path, name: str) -> str:
    return zipfile.ZipFile(wheel).read(f"nova_xloud-1.2.3.dist-info/{name}").decode()


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    return email.message_from_string(read(wheel, "METADATA"))


def test_nothing_but_the_packages(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    packages = {"nova_xloud", "nova_xloud_tempest_plugin", "xloud_dashboard"}
    assert tops == packages | {"nova_xloud-1.2.3.dist-info"}


def test_every_module(names: list[str]) -> None:
    sources = REPOSITORY / "src"
    wanted = {
        str(path.relative_to(sources))
        for path in sources.glob("*xloud*/**/*")
        if path.suffix in SUFFIXES or path.name == "py.typed"
    }
    assert {"nova_xloud/testing/fake_guest.py", "nova_xloud/py.typed"} <= wanted
    assert wanted <= set(names)


def test_licence(names: list[str], metadata: Message) -> None:
    assert "nova_xloud-1.2.3.dist-info/licenses/LICENSE" in names
    assert metadata["License-Expression"] == "Apache-2.0"


def test_nothing_is_required(metadata: Message) -> None:
    """Nova is there already, and must not be moved: every requirement is of an extra."""
    required = metadata.get_all("Requires-Dist") or []
    assert required
    assert [line for line in required if "extra ==" not in line] == []


def test_extras(metadata: Message) -> None:
    assert {"client", "dashboard", "metrics", "nova", "tempest"} <= set(
        metadata.get_all("Provides-Extra") or []
    )


def test_classifiers_are_what_ci_runs_on(metadata: Message) -> None:
    pythons = {
        line.rpartition(" ")[2]
        for line in metadata.get_all("Classifier") or []
        if line.startswith("Programming Language :: Python :: 3.")
    }
    assert pythons == {"3.11"}
    assert metadata["Requires-Python"] == ">=3.11"


def test_readme_is_the_description(metadata: Message) -> None:
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (REPOSITORY / "README.md").read_text()


def test_entry_points(wheel: Path) -> None:
    text = read(wheel, "entry_points.txt")
    assert {f"[{group}]" for group in GROUPS} <= set(text.splitlines())
    scripts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
    assert all(f"{name} = {target}" in text for name, target in scripts.items())


def test_sdist_can_be_tested(sdist: Path) -> None:
    """Whoever builds from it has the tests, the constraints and the deployment files too."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE",
        "tests/distribution/test_wheel.py",
        "constraints/nova-34.0.txt",
        "releasenotes/notes/one-adjustment-8f0c2f5b1d6e4a37.yaml",
    } <= names
