# SPDX-License-Identifier: Apache-2.0
"""Who may do what: each persona that Nova knows, each operation, as tables."""

import pathlib

import nova.policy
import yaml
from nova import context as nova_context
from nova.tests.fixtures.nova import PROJECT_ID
from nova.tests.fixtures.policy import RealPolicyFixture

from tests.functional.base import AdjustTestCase
from tests.functional.raw_requests import RawRequests

MEMBERS = pathlib.Path(__file__).parents[2] / "docs/samples/policy-members.yaml"

THE_SERVERS, ANOTHER, ADMINS, SERVICES = PROJECT_ID, "a" * 32, "b" * 32, "c" * 32
ALL, MANAGER, MEMBER = "admin,manager,member,reader", "manager,member,reader", "member,reader"
# Name: project (None: a token for the whole system) and roles, with those that they imply.
PERSONAS = {
    "admin, own project": (ADMINS, ALL),
    "admin, the server's project": (THE_SERVERS, ALL),
    "manager, the server's project": (THE_SERVERS, MANAGER),
    "member, the server's project": (THE_SERVERS, MEMBER),
    "reader, the server's project": (THE_SERVERS, "reader"),
    "another role, the server's project": (THE_SERVERS, "foo"),
    "no role, the server's project": (THE_SERVERS, ""),
    "manager, another project": (ANOTHER, MANAGER),
    "member, another project": (ANOTHER, MEMBER),
    "reader, another project": (ANOTHER, "reader"),
    "another role, another project": (ANOTHER, "foo"),
    "admin of the system": (None, ALL),
    "member of the system": (None, MEMBER),
    "reader of the system": (None, "reader"),
    "another role of the system": (None, "foo"),
    "a service": (SERVICES, "service"),
    "a service of the server's project": (THE_SERVERS, "service"),
}
# The paths of what is read.
STATUS, HISTORY = "/v2.1/servers/{}/xloud-status", "/v2.1/servers/{}/xloud-history"
SERVERS = "/v2.1/os-xloud-servers"
ADJUST_RULE, STATUS_RULE = "os_compute_api:xloud:adjust", "os_compute_api:xloud:status"
MODE_RULE = "os_compute_api:xloud:autoscale"
# By name: the body of an adjustment, or the path and the query of a GET.
OPERATIONS = {
    "adjust": {"current_vcpus": 1},
    "force": {"current_vcpus": 1, "force": True},
    "plan": {"current_vcpus": 1, "dry_run": True},
    "mode": {"autoscale": "off"},
    "status": STATUS,
    "past": HISTORY,
    "list": SERVERS,
    "other": f"{SERVERS}?project_id={'d' * 32}",
    "all": f"{SERVERS}?all_projects=true",
    "host": f"{SERVERS}?host=host1",
}

BY_DEFAULT = """
persona                             adjust  force  plan  mode  status  past  list  other  all  host
admin, own project                  202     202    200   202   200     200   200   200    200  200
admin, the server's project         202     202    200   202   200     200   200   200    200  200
manager, the server's project       403     403    403   403   200     200   200   403    403  403
member, the server's project        403     403    403   403   200     200   200   403    403  403
reader, the server's project        403     403    403   403   200     200   200   403    403  403
another role, the server's project  403     403    403   403   403     403   403   403    403  403
no role, the server's project       403     403    403   403   403     403   403   403    403  403
manager, another project            404     404    404   404   404     404   200   403    403  403
member, another project             404     404    404   404   404     404   200   403    403  403
reader, another project             404     404    404   404   404     404   200   403    403  403
another role, another project       404     404    404   404   404     404   403   403    403  403
admin of the system                 403     403    403   403   403     403   403   403    403  403
member of the system                403     403    403   403   403     403   403   403    403  403
reader of the system                403     403    403   403   403     403   403   403    403  403
another role of the system          403     403    403   403   403     403   403   403    403  403
a service                           404     404    404   404   404     404   403   403    403  403
a service of the server's project   403     403    403   403   403     403   403   403    403  403
"""
ADJUSTS = "202     202    200   202   200     200   200   403    403  403"
SETS_NO_MODE = "202     202    200   403   200     200   200   403    403  403"
READS = "403     403    403   403   200     200   200   403    403  403"
LISTS_ITS_OWN = "404     404    404   404   404     404   200   403    403  403"
NO_READERS = (
    "another role, the server's project",
    "no role, the server's project",
    "a service of the server's project",
)
NO_READERS_OF_ANOTHER = ("another role, another project", "a service")


def with_answers(table, answers, *personas):
    """The table, in which these personas have these answers."""
    column = len("persona                             ")
    return "".join(
        f"{line[:column]}{answers}\n" if line[:column].rstrip() in personas else line
        for line in table.splitlines(keepends=True)
    )


THE_MEMBERS = ("manager, the server's project", "member, the server's project")
FOR_MEMBERS = with_answers(BY_DEFAULT, ADJUSTS, *THE_MEMBERS)


def by_token(env, **kwargs):
    """As keystonemiddleware's headers become a context, with the scope of the token."""
    roles = [role for role in env["HTTP_X_ROLES"].split(",") if role]
    return nova_context.RequestContext(
        env["HTTP_X_AUTH_USER"],
        env.get("HTTP_X_AUTH_PROJECT_ID"),
        roles=roles,
        system_scope=env.get("HTTP_OPENSTACK_SYSTEM_SCOPE"),
        request_id=env["openstack.request_id"],
        **kwargs,
    )


class Matrix(RawRequests, AdjustTestCase):
    def setUp(self):
        super().setUp()
        self._has(1, 512)

    def _become(self, *, new_defaults=True):
        """From here on a request has the policies that Nova ships, and a context of its token."""
        self.flags(enforce_new_defaults=new_defaults, group="oslo_policy")
        self.policy = self.useFixture(RealPolicyFixture())
        self.stub_out("nova.api.auth.NovaKeystoneContext._create_context", by_token)

    def _answers(self):
        """The table of the answers, as it is written above."""
        rows = [["persona", *OPERATIONS]]
        for persona, (project, roles) in PERSONAS.items():
            token = {"x_auth_user": "somebody", "x_roles": roles, "x_auth_project_id": project}
            if project is None:
                token["openstack_system_scope"] = "all"
            rows.append([persona, *(self._ask(body, token) for body in OPERATIONS.values())])
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join(["", *lines, ""])

    def _ask(self, asked, token):
        if isinstance(asked, str):
            path, _, query = asked.format(self.server["id"]).partition("?")
            answer = self.send("GET", path, query=query, **token)
            if path == SERVERS and answer.status_int == 200:
                self._lists_its_own(answer.json["xloud_servers"], query, token)
        else:
            answer = self.adjust(asked, **token)
        if answer.status_int == 403:
            assert "xloud.forbidden" in answer.text, answer.text
        return str(answer.status_int)

    def _lists_its_own(self, listed, query, token):
        """Check that a list has no server of another project, and no host for who may not see it.

        :param query: empty, or for admins
        """
        is_admin = "admin" in token["x_roles"].split(",")
        is_all = query in ("all_projects=true", f"project_id={THE_SERVERS}")
        is_own = query in ("", "host=host1") and token["x_auth_project_id"] == THE_SERVERS
        expected = [self.server["id"]] if is_all or is_own else []
        assert [one["id"] for one in listed] == expected, (token, query)
        assert all(("host" in one) == is_admin for one in listed), (token, query)

    def test_by_default_admins_adjust_and_readers_look(self):
        self._become()
        assert self._answers() == BY_DEFAULT

    def test_with_the_sample_for_members_they_adjust_too(self):
        self._become()
        self.policy.set_rules(yaml.safe_load(MEMBERS.read_text()), overwrite=False)
        assert self._answers() == FOR_MEMBERS

    def test_members_adjust_and_set_no_mode_where_that_is_for_admins(self):
        self._become()
        rules = yaml.safe_load(MEMBERS.read_text())
        self.policy.set_rules(rules | {MODE_RULE: "rule:context_is_admin"}, overwrite=False)
        assert self._answers() == with_answers(FOR_MEMBERS, SETS_NO_MODE, *THE_MEMBERS)
        self.policy.set_rules({MODE_RULE: "rule:project_member_or_admin"}, overwrite=False)
        # Who may set the mode only may not: it is an adjustment.
        self.policy.set_rules({ADJUST_RULE: "rule:context_is_admin"}, overwrite=False)
        assert self._answers() == BY_DEFAULT

    def test_without_new_defaults_any_role_is_member_and_reader(self):
        self._become(new_defaults=False)
        by_default = with_answers(BY_DEFAULT, LISTS_ITS_OWN, *NO_READERS_OF_ANOTHER)
        assert self._answers() == with_answers(by_default, READS, *NO_READERS)
        self.policy.set_rules(yaml.safe_load(MEMBERS.read_text()), overwrite=False)
        for_all = with_answers(FOR_MEMBERS, LISTS_ITS_OWN, *NO_READERS_OF_ANOTHER)
        for_all = with_answers(for_all, ADJUSTS, "reader, the server's project", *NO_READERS)
        assert self._answers() == for_all

    def test_a_policy_for_a_servers_user_counts_in_the_list_too(self):
        self._become()
        self.policy.set_rules({STATUS_RULE: "user_id:%(user_id)s"}, overwrite=False)
        for user, status in (("somebody", 403), (self._record(self.server).user_id, 200)):
            token = {"x_auth_user": user, "x_roles": MEMBER, "x_auth_project_id": THE_SERVERS}
            assert self.send("GET", STATUS.format(self.server["id"]), **token).status_int == status
            listed = self.send("GET", SERVERS, **token).json["xloud_servers"]
            assert [one["id"] for one in listed] == ([self.server["id"]] if status == 200 else [])

    def test_a_marker_of_another_project_is_as_if_it_were_none(self):
        self._become()
        other = {"x_auth_user": "somebody", "x_roles": MEMBER, "x_auth_project_id": ANOTHER}
        for marker in (self.server["id"], "11111111-2222-3333-4444-555555555555"):
            answer = self.send("GET", SERVERS, query=f"marker={marker}", **other)
            assert answer.status_int == 400, answer.text
            assert answer.json["badRequest"]["message"].replace(marker, "ID") == (
                "xloud.invalid: marker is 'ID', and there is no server with this ID; leave the "
                "marker out to begin with the first page"
            )

    def test_whoever_may_not_adjust_is_not_told_whether_the_size_would_fit(self):
        self._become()
        reader = {"x_auth_user": "somebody", "x_roles": "reader"}
        for size in (1, 4, 5, 2**31 - 1):
            for dry_run in (False, True):
                answer = self.adjust({"current_vcpus": size, "dry_run": dry_run}, **reader)
                assert answer.status_int == 403
                assert "maximum" not in answer.text

    def test_a_server_of_another_project_looks_like_none(self):
        self._become()
        other = {"x_auth_user": "somebody", "x_roles": MEMBER, "x_auth_project_id": ANOTHER}
        none = {"id": "11111111-2222-3333-4444-555555555555"}
        for server in (self.server, none):
            told = self.adjust({"current_vcpus": 1}, server, **other).text
            assert told.replace(server["id"], "ID") == (
                '{"itemNotFound": {"code": 404, "message": "Instance ID could not be found."}}'
            )

    def test_every_rule_of_ours_is_in_the_table(self):
        from nova_xloud.api import policies

        assert [rule.name for rule in policies.RULES] == [
            policies.ADJUST,
            policies.AUTOSCALE,
            policies.STATUS,
            policies.ALL_PROJECTS,
        ]
        assert {rule.name for rule in policies.RULES} <= nova.policy.get_rules().keys()
        assert [rule.scope_types for rule in policies.RULES] == [["project"]] * 4
