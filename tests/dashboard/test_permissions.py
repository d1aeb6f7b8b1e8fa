"""What the pages offer where a file of rules is missing, cannot be read or lacks a rule: nothing.

Horizon's own check allows all of it.
"""

import contextlib
import os
import runpy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import yaml
from django.conf import settings
from django.test import override_settings
from openstack_auth import policy as horizons_rules
from openstack_dashboard import policy

from tests.dashboard.cloud import TestCase
from xloud_dashboard import permissions
from xloud_dashboard.install import probe
from xloud_dashboard.install.links import PACKAGE
from xloud_dashboard.size.page import may_set_mode

REBOOT = "os_compute_api:servers:reboot"
SHIPPED = PACKAGE / "policies" / "xloud.yaml"
# Each is a whole file: of Horizon's own format of defaults, and of an operator's rules.
DEFAULTS = {"not YAML": "- name: [", "empty list": "[]", "not a list of rules": "- adjust"}
OPERATORS = {
    "not YAML": '"os_compute_api:xloud:adjust": [',
    "no names": "- adjust",
    "a word": "adjust",
}


def lacking(rule: str) -> str:
    """The rules that the plugin brings, without one of them."""
    rules = yaml.safe_load(SHIPPED.read_text())
    return yaml.safe_dump([one for one in rules if one["name"] != rule])


def without(rule: str) -> set[str]:
    """The rules but one, and but the mode's if it follows that one."""
    followers = {permissions.AUTOSCALE} if rule == permissions.ADJUST else set()
    return set(permissions.ASKED_FOR) - {rule} - followers


class PermissionTests(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    @contextlib.contextmanager
    def rules(self, defaults: str | None = None, operators: str | None = None) -> Iterator[None]:
        """Horizon with other files of rules of nova-xloud.

        :param defaults: the text of the defaults; None: those that the plugin brings
        :param operators: the text of the operator's file; None: there is none
        """
        files = {"defaults": SHIPPED, "operators": self.folder / "none.yaml"}
        for name, text in (("defaults", defaults), ("operators", operators)):
            if text is not None:
                files[name] = self.folder / f"{name}.yaml"
                files[name].write_text(text)
        with self.files(str(files["defaults"]), str(files["operators"])):
            yield

    @contextlib.contextmanager
    def files(self, defaults: str, operators: str) -> Iterator[None]:
        """Horizon with the rules of nova-xloud in these files."""
        with override_settings(
            DEFAULT_POLICY_FILES=settings.DEFAULT_POLICY_FILES | {"xloud": defaults},
            POLICY_FILES=settings.POLICY_FILES | {"xloud": operators},
        ):
            self.load_rules_again()
            yield

    def allowed(self) -> set[str]:
        """The rules of nova-xloud that let a user with all roles do something."""
        return {one for one in permissions.ASKED_FOR if permissions.may(self.request, one)}

    def error(self) -> str:
        """What the command says of the rules; its process has loaded none yet."""
        horizons_rules.reset()
        return probe._policies_error()

    def assert_nothing_is_allowed(self) -> None:
        """Nothing of nova-xloud; the command says so; and Nova's own rules are as they were."""
        self.assertEqual(self.allowed(), set())
        self.assertNotEqual(self.error(), "")
        self.assertTrue(permissions.may_in_nova(self.request, REBOOT, None))

    def test_rules_that_the_plugin_brings_allow_an_admin_everything(self) -> None:
        with self.rules():
            self.assertEqual(self.allowed(), set(permissions.ASKED_FOR))
            self.assertEqual(self.error(), "")

    def test_operators_rules_take_the_place_of_the_plugins(self) -> None:
        with self.rules(operators=f'"{permissions.ADJUST}": "!"'):
            self.assertEqual(self.allowed(), without(permissions.ADJUST))
            self.assertEqual(self.error(), "")

    def test_mode_is_offered_to_whom_both_rules_allow_it(self) -> None:
        shown = mock.Mock(project_id=self.tenant.id)
        for refused in (None, permissions.ADJUST, permissions.AUTOSCALE):
            with self.subTest(refused), self.rules(operators=f'"{refused}": "!"'):
                self.assertEqual(may_set_mode(self.request, shown), refused is None)

    def test_missing_rules_of_the_plugin_allow_nothing(self) -> None:
        with self.files(str(self.folder / "gone.yaml"), str(self.folder / "none.yaml")):
            self.assertTrue(policy.check((("xloud", permissions.ADJUST),), self.request))
            self.assert_nothing_is_allowed()
            self.assertIn("gone.yaml", self.error())

    def test_broken_rules_of_the_plugin_allow_nothing(self) -> None:
        for name, text in DEFAULTS.items():
            with self.subTest(name), self.rules(defaults=text):
                self.assert_nothing_is_allowed()

    def test_rule_that_the_defaults_lack_allows_nothing(self) -> None:
        for rule in permissions.ASKED_FOR:
            with self.subTest(rule), self.rules(defaults=lacking(rule)):
                self.assertTrue(policy.check((("xloud", rule),), self.request))
                self.assertEqual(self.allowed(), without(rule))
                self.assertIn(f"it has no {rule}", self.error())

    def test_broken_rules_of_an_operator_allow_nothing(self) -> None:
        for name, text in OPERATORS.items():
            with self.subTest(name), self.rules(operators=text):
                self.assert_nothing_is_allowed()
                self.assertIn("operators.yaml", self.error())

    def test_rules_of_an_operator_that_cannot_be_read_allow_nothing(self) -> None:
        def refuse(path: object, *arguments: object, **named: object) -> object:
            if str(path).endswith("operators.yaml"):
                raise PermissionError(13, "Permission denied")
            return real(path, *arguments, **named)  # type: ignore[call-overload]

        real = open
        with self.rules(operators="{}"), mock.patch("builtins.open", refuse):
            self.assert_nothing_is_allowed()

    def test_rules_that_break_while_horizon_runs_fail_no_page(self) -> None:
        with self.rules(operators="{}"):
            self.assertEqual(self.allowed(), set(permissions.ASKED_FOR))
            changed = self.folder / "operators.yaml"
            changed.write_text(OPERATORS["no names"])
            os.utime(changed, (2**32, 2**32))
            self.assertFalse(permissions.may(self.request, permissions.ADJUST))

    def test_scope_without_rules_allows_nothing(self) -> None:
        for scope in ("xloud", "compute"):
            kept = {name: at for name, at in settings.POLICY_FILES.items() if name != scope}
            with self.subTest(scope), override_settings(POLICY_FILES=kept):
                self.load_rules_again()
                self.assertEqual(
                    permissions.may(self.request, permissions.ADJUST), scope != "xloud"
                )
                nova = permissions.may_in_nova(self.request, REBOOT, None)
                self.assertEqual(nova, scope != "compute")

    @override_settings(POLICY_CHECK_FUNCTION=None)
    def test_horizon_that_checks_nothing_leaves_it_to_the_api(self) -> None:
        self.assertEqual(self.allowed(), set(permissions.ASKED_FOR))
        self.assertEqual(self.error(), "")

    def test_rules_of_the_plugin_are_loaded_last(self) -> None:
        for files in ({"compute": "nova.yaml"}, {"xloud": "ours.yaml", "compute": "nova.yaml"}):
            given = {"POLICY_FILES": files, "DEFAULT_POLICY_FILES": {}}
            path = PACKAGE / "local_settings.d" / "_2950_xloud.py"
            made = runpy.run_path(str(path), given)["POLICY_FILES"]
            self.assertEqual(list(made), ["compute", "xloud"])
            self.assertEqual(made["xloud"], files.get("xloud", "xloud_policy.yaml"))
