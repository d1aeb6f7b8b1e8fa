# SPDX-License-Identifier: Apache-2.0
"""The generators know nova-xloud, and the kept files are what they print.

Written anew after a wanted change: make generate. The API's samples are in tests/functional.
"""

import os
import pathlib
import subprocess
import sys

import openapi_spec_validator
import pytest
import yaml
from nova.policies import base

from nova_xloud import errors
from nova_xloud.api import openapi, policies, schemas, servers_query
from nova_xloud.client.commands.history import ListHistory
from nova_xloud.core.convergence import dry_run
from tests import backtest_page, generated, remedy_tables, scale_page

SAMPLES = {
    "oslo-config-generator": "docs/samples/nova-xloud.conf.sample",
    "oslopolicy-sample-generator": "docs/samples/policy.yaml.sample",
}
# Of JSON schema draft 4; each is something else, or not there, in 2020-12.
CHANGED_SINCE_DRAFT_4 = {
    "id", "definitions", "dependencies", "exclusiveMinimum", "exclusiveMaximum", "additionalItems",
}  # fmt: skip


def _printed(command, **environment):
    path = pathlib.Path(sys.executable).with_name(command)
    arguments = [sys.executable, str(path), "--namespace", "nova-xloud"]
    done = subprocess.run(
        arguments, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", SAMPLES)
def test_samples(command):
    generated.check(SAMPLES[command], _printed(command))


def test_effective_policy_is_novas_and_ours_with_the_operators(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text('"os_compute_api:xloud:adjust": "role:scaler"\n')
    (tmp_path / ".nova").mkdir()
    (tmp_path / ".nova/nova.conf").write_text(f"[oslo_policy]\npolicy_file = {policy}\n")
    effective = _printed("oslopolicy-policy-generator", HOME=str(tmp_path))
    assert '"os_compute_api:xloud:adjust": "role:scaler"' in effective
    assert '"os_compute_api:xloud:status": "rule:project_reader_or_admin"' in effective
    assert '"os_compute_api:servers:show"' in effective


def _in_horizons_format(rule):
    return {
        "name": rule.name,
        "check_str": rule.check_str,
        "description": rule.description,
        "operations": getattr(rule, "operations", []),
        "scope_types": rule.scope_types,
    }


def test_policies_of_the_dashboard():
    """Nova's rules that ours, or an operator's, refer to are in the file: it is a scope alone."""
    referred_to = [rule for rule in base.list_rules() if not rule.deprecated_for_removal]
    rules = [_in_horizons_format(rule) for rule in [*referred_to, *policies.RULES]]
    head = "# SPDX-License-Identifier: Apache-2.0\n# Generated: make generate\n"
    text = head + yaml.safe_dump(rules, sort_keys=False, width=100)
    generated.check("src/xloud_dashboard/policies/xloud.yaml", text)


def test_openapi_document():
    openapi_spec_validator.validate(openapi.document())
    generated.check("api-ref/openapi.json", openapi.text())


def test_page_of_back_tests():
    generated.check(backtest_page.PAGE, backtest_page.page(backtest_page.read_all()))


def test_page_of_automatic_growth_at_scale():
    generated.check(scale_page.PAGE, scale_page.text())


@pytest.mark.parametrize("page", remedy_tables.PAGES)
def test_tables_of_remedies(page):
    generated.check(page, remedy_tables.with_tables(page))


def test_every_table_of_remedies_is_in_one_page():
    found = [name for page in remedy_tables.PAGES for name in remedy_tables.names(page)]
    assert sorted(found) == sorted(remedy_tables.TABLES)


def test_every_step_of_a_dry_run_is_in_the_openapi_document():
    path = openapi.document()["paths"]["/os-xloud-adjust/{server_id}"]["post"]
    answer = path["responses"]["200"]["content"]["application/json"]["schema"]
    steps = answer["properties"]["plan"]["properties"]["steps"]["items"]
    assert steps["properties"]["step"]["enum"] == list(dry_run.STEP_NAMES)


def test_every_step_of_a_dry_run_is_in_the_api_reference():
    page = (pathlib.Path(__file__).parents[3] / "api-ref/source/parameters.yaml").read_text()
    assert [name for name in dry_run.STEP_NAMES if f"``{name}``" not in page] == []


def test_every_outcome_of_the_history_is_in_the_pages():
    root = pathlib.Path(__file__).parents[3]
    reference = (root / "api-ref/source/parameters.yaml").read_text()
    page = (root / "docs/reference/api.md").read_text()
    assert [name for name in schemas.OUTCOMES if f"``{name}``" not in reference] == []
    assert [name for name in schemas.OUTCOMES if f"`{name}`" not in page] == []
    assert [name for name in schemas.OUTCOMES if name not in ListHistory._description] == []


def test_every_parameter_of_the_list_is_in_the_openapi_document():
    told = openapi.document()["paths"]["/os-xloud-servers"]["get"]["parameters"]
    assert [one["name"] for one in told] == list(servers_query.NAMES)


def test_every_refusal_is_in_the_openapi_document():
    refusals = [cls for cls in errors.Refused.__subclasses__() if "code" in vars(cls)]
    assert len(refusals) > 5
    for cls in refusals:
        fault = openapi.FAULTS[cls.status]
        schema = openapi.document()["components"]["schemas"][fault]
        assert cls.code in schema["properties"][fault]["properties"]["message"]["description"]


def _keywords(schema):
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "properties":
                # Names of ours, and not of JSON schema.
                value = list(value.values())
            yield name
            yield from _keywords(value)
    elif isinstance(schema, list):
        for one in schema:
            yield from _keywords(one)


def test_schemas_mean_the_same_in_the_draft_of_openapi():
    used = set()
    for schema in (
        schemas.ADJUST,
        schemas.ADJUST_RESPONSE,
        schemas.STATUS_RESPONSE,
        schemas.HISTORY_RESPONSE,
        schemas.SERVERS_RESPONSE,
    ):
        used |= set(_keywords(schema))
    assert "additionalProperties" in used
    assert not used & CHANGED_SINCE_DRAFT_4
