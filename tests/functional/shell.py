# SPDX-License-Identifier: Apache-2.0
"""The real ``openstack`` shell and openstacksdk, against Nova's API in this process."""

import contextlib
import io
import json
import logging
import os
import warnings
from dataclasses import dataclass
from typing import Any

import fixtures
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from nova import context as nova_context
from openstack.connection import Connection
from openstackclient.shell import OpenStackShell

from nova_xloud import client
from tests.functional.base import AdjustTestCase

ADMIN = "admin"
MEMBER = "fake"
_ROLES = {ADMIN: ["reader", "member", "admin"], MEMBER: ["reader", "member"]}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shells:
    """Clients that speak HTTP to the API of an in-process cloud.

    Nova's fixture stands in for keystonemiddleware, and knows its user by a header. A client sends
    a token, so here the user is known by that; all else is real.
    """

    def setUp(self):
        super().setUp()
        known = self.api_fixture.api.project_id
        by_header = "nova.api.auth.NovaKeystoneContext._create_context"

        def by_token(env, **kwargs):
            user = env.get("HTTP_X_AUTH_USER") or env["HTTP_X_AUTH_TOKEN"]
            project = env.get("HTTP_X_AUTH_PROJECT_ID", known)
            roles = env["HTTP_X_ROLES"].split(",") if "HTTP_X_ROLES" in env else _ROLES[user]
            # As the real one does; by it an instance action is found.
            kwargs.setdefault("request_id", env["openstack.request_id"])
            return nova_context.RequestContext(
                user, project, is_admin=user == ADMIN, roles=roles, **kwargs
            )

        self.useFixture(fixtures.MonkeyPatch(by_header, by_token))
        # Neither the cloud of whoever runs the tests, nor their clouds.yaml.
        for name in [name for name in os.environ if name.startswith("OS_")]:
            self.useFixture(fixtures.EnvironmentVariable(name))
        self.useFixture(fixtures.EnvironmentVariable("OS_CLIENT_CONFIG_FILE", "/nonexistent"))

    def openstack(self, *argv: str, user: str = ADMIN) -> Ended:
        """Run one command in the shell, as ``openstack`` does."""
        out, err = io.StringIO(), io.StringIO()
        credentials = ("--os-auth-type", "admin_token", "--os-token", user)
        where = ("--os-endpoint", self.api_fixture.api.base_url)
        with _logging_kept(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = OpenStackShell().run([*credentials, *where, *argv])
            except SystemExit as ended:
                code = ended.code
        return Ended(code, out.getvalue(), err.getvalue())

    def adjust(self, *argv: str, **options: Any) -> Ended:
        """``openstack server adjust``"""
        return self.openstack("server", "adjust", *argv, **options)

    def connection(self, user: str = ADMIN, **options: Any) -> Connection:
        """openstacksdk's."""
        token = Token(self.api_fixture.api.base_url, user)
        return Connection(session=Session(auth=token), **options)

    def xloud(self, user: str = ADMIN) -> client.Xloud:
        return client.connect(self.connection(user))


class ClientTestCase(Shells, AdjustTestCase):
    """One host with one server, whose balloon has come down after its start, and clients."""

    def setUp(self):
        super().setUp()
        self._has(1, 512)


@contextlib.contextmanager
def _logging_kept():
    """The shell configures the root logger, as a program may; the test has its own."""
    root = logging.getLogger("")
    level, handlers = root.level, root.handlers[:]
    with warnings.catch_warnings():
        try:
            yield
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
