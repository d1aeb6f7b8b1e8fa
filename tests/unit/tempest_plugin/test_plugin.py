"""The Tempest plugin, without a cloud: what Tempest would find, and that it knows today's API."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tempest")

from tempest.test_discover.plugins import TempestTestPluginManager

from nova_xloud.api import schemas as ours
from nova_xloud_tempest_plugin import plugin
from nova_xloud_tempest_plugin.services import schemas

PACKAGE = Path(plugin.__file__).parent


def test_tempest_finds_it_by_its_entry_point() -> None:
    folder, top = TempestTestPluginManager().get_plugin_load_tests_tuple()["nova-xloud"]
    assert Path(folder) == Path(top) / "nova_xloud_tempest_plugin" / "tests"
    assert list(Path(folder).glob("*/test_*.py"))


def test_its_options_are_listed_as_they_are_registered() -> None:
    listed = dict(plugin.XloudTempestPlugin().get_opt_lists())
    assert listed.keys() == {"service_available", "xloud"}
    assert "max_vcpus" in {option.name for option in listed["xloud"]}


def test_every_test_has_an_id_of_its_own() -> None:
    tests = [
        node
        for path in PACKAGE.glob("tests/*/test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    ids = [
        re.findall(r"idempotent_id\('([0-9a-f-]{36})'\)", ast.unparse(decorator))
        for node in tests
        for decorator in node.decorator_list
    ]
    found = [name for names in ids for name in names]
    assert len(found) == len(tests) == len(set(found)) > 0


def properties(schema: dict[str, Any], path: str = "") -> set[str]:
    """The names of all properties of a schema, with their paths."""
    inner = schema.get("items", schema)
    return {
        found
        for name, value in inner.get("properties", {}).items()
        for found in (f"{path}/{name}", *properties(value, f"{path}/{name}"))
    }


@pytest.mark.parametrize(
    ("theirs", "documented"),
    [(schemas.STATUS, ours.STATUS_RESPONSE), (schemas.PLAN, ours.PLAN_RESPONSE)],
)
def test_its_schemas_name_what_the_api_has(
    theirs: dict[str, Any], documented: dict[str, Any]
) -> None:
    """They are written down twice on purpose: who changes one shall see it."""
    assert properties(theirs["response_body"]) == properties(documented)
