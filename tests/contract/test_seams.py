# SPDX-License-Identifier: Apache-2.0
"""The table of seams against the installed Nova: what fits, what is refused, what is changed."""

import subprocess
import sys
import textwrap

import pytest

import nova_xloud.seams.notifications
from nova_xloud import releases
from nova_xloud.errors import UnfitNova
from nova_xloud.seams import install as installer
from nova_xloud.seams.seam import Kind, Seam, resolve
from nova_xloud.seams.table import EXTENDED, SEAMS, seams_of

OURS = seams_of(releases.major())
BY_TARGET = {seam.target: seam for seam in OURS}


def _python(code, *, expect=0):
    """Run ``code`` in an interpreter of its own; what it printed."""
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == expect, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def test_all_fit_the_installed_nova():
    assert installer.check() == []


@pytest.mark.parametrize("release", releases.SUPPORTED)
def test_no_row_is_there_twice_in_a_release(release):
    targets = [seam.target for seam in seams_of(releases.major(release))]
    assert len(targets) == len(set(targets))


def test_every_row_is_of_a_release_that_is_served():
    assert set(SEAMS) == {s for r in releases.SUPPORTED for s in seams_of(releases.major(r))}


@pytest.mark.parametrize("target", sorted(BY_TARGET))
def test_a_nova_without_it_is_refused_by_its_name(target, monkeypatch):
    owner, name, _ = resolve(target)
    for holder in getattr(owner, "__mro__", (owner,)):
        if name in vars(holder):
            monkeypatch.delattr(holder, name)
    (misfit,) = [m for m in installer.check() if m.startswith(f"{target}:")]
    assert "found nothing" in misfit


@pytest.mark.parametrize(
    "target", sorted(t for t, s in BY_TARGET.items() if s.expect not in ("class", "tuple", "dict"))
)
def test_a_nova_with_another_signature_is_refused_with_both(target, monkeypatch):
    owner, name, _ = resolve(target)
    monkeypatch.setattr(owner, name, lambda something, quite, different: None)
    (misfit,) = [m for m in installer.check() if m.startswith(f"{target}:")]
    assert f"expected ({BY_TARGET[target].expect})" in misfit
    assert "found (something, quite, different)" in misfit


def test_arguments_that_a_later_nova_adds_at_the_end_still_fit():
    seam = Seam("nova.compute.api:check_instance_host", Kind.CALL, "check_is_up", "")
    assert seam.misfit() is None
    assert Seam(seam.target, Kind.CALL, "check_is", "").misfit() is not None


def test_nothing_is_changed_when_one_row_does_not_fit():
    before = _extended_now()
    wrong = Seam("nova.utils:no_such_function", Kind.CALL, "", "a row that cannot fit")
    fresh = Seam(
        "nova.policies:list_rules", Kind.WRAP, "", "", extension="nova_xloud.errors:Refused"
    )
    with pytest.raises(UnfitNova, match=r"nova\.utils:no_such_function"):
        installer.install((fresh, wrong))
    assert _extended_now() == before


@pytest.mark.parametrize(
    "extension", ["nova_xloud.no_such_module:wrapper", "nova_xloud.errors:no_such_name"]
)
def test_what_does_not_load_of_ours_is_refused_by_its_row(extension):
    seam = Seam("nova.policies:list_rules", Kind.WRAP, "", "", extension=extension)
    with pytest.raises(
        UnfitNova, match=rf"nova\.policies:list_rules: expected {extension} to load"
    ):
        installer.install((seam,))


def test_nothing_is_changed_when_one_of_ours_fails(monkeypatch):
    monkeypatch.setattr(nova_xloud.seams.notifications, "event_types", lambda: 1 / 0)
    monkeypatch.setattr(installer, "_INSTALLED", set())
    before = _extended_now()
    with pytest.raises(ZeroDivisionError):
        installer.install()
    assert _extended_now() == before
    assert not installer._INSTALLED


def _extended_now():
    return {
        seam.target: str(resolve(seam.target)[2]) for seam in seams_of(releases.major(), EXTENDED)
    }


_NEWEST = releases.major() == releases.major(releases.SUPPORTED[-1])


@pytest.mark.parametrize("found", [f"{releases.major()}.9.1", "35.0.0", "a-build-of-ours"])
def test_a_release_that_was_not_tested_is_judged_by_its_seams(found, monkeypatch):
    monkeypatch.setattr(releases, "version", lambda: found)
    if _NEWEST or releases.major(found) == releases.major():
        assert installer.check() == []
    monkeypatch.delattr("nova.policies.list_rules")
    assert any(m.startswith("nova.policies:list_rules:") for m in installer.check())


def test_that_it_was_not_tested_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(installer, "_INSTALLED", set())
    monkeypatch.setattr(releases, "version", lambda: f"{releases.major()}.9.1")
    row = Seam("nova.policies:list_rules", Kind.CALL, "", "it is there in all")
    for seam in (row, Seam("nova.policy:get_enforcer", Kind.CALL, "", "as well")):
        installer.install((seam,))
    (said,) = [r for r in caplog.records if r.name == installer.__name__]
    assert "9.1 is none of the releases that were tested" in said.getMessage()


def test_none_at_all_is_refused(monkeypatch):
    monkeypatch.setattr(releases, "version", lambda: None)
    assert "none installed" in installer.check()[0]


def test_importing_extends_nothing():
    _python("""
        from nova_xloud import releases; releases.choose_backend()
        import pkgutil, importlib, nova_xloud
        from nova_xloud.seams.seam import resolve
        from nova_xloud.seams.table import EXTENDED, seams_of
        def found():
            # A class method is bound anew each time.
            each = {s.target: resolve(s.target)[2] for s in seams_of(releases.major(), EXTENDED)}
            return {t: (id(getattr(o, "__func__", o)), str(o)) for t, o in each.items()}
        before = found()
        for module in pkgutil.walk_packages(nova_xloud.__path__, "nova_xloud."):
            if ".wsgi" not in module.name and ".testing" not in module.name:
                importlib.import_module(module.name)
        assert found() == before, found()
    """)


def test_installing_twice_is_installing_once():
    _python("""
        from nova_xloud import releases; releases.choose_backend()
        from nova_xloud.seams.install import install
        install(); install()
        from nova import objects, policies
        from nova.api.openstack.compute import routes
        paths = [path for path, _ in routes.ROUTE_LIST if "xloud" in path]
        assert len(paths) == 4, paths
        assert len([r for r in policies.list_rules() if "xloud" in r.name]) == 4
        assert objects.RequestSpec.__mro__[1].__mro__[1].__name__ == "NovaObject"
    """)


@pytest.mark.skipif(releases.major() < 30, reason="Nova 29 has no such guard")
def test_novas_own_guard_finds_no_controller_of_ours_without_schemas():
    printed = _python("""
        import os, sys, unittest
        os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "true"
        import nova.tests.unit
        from nova_xloud.seams.install import install
        install()
        from nova.api.openstack.compute import routes
        assert [path for path, _ in routes.ROUTE_LIST if "xloud" in path]
        suite = unittest.defaultTestLoader.loadTestsFromName(
            "nova.tests.unit.api.openstack.compute.test_schemas")
        result = unittest.TextTestRunner().run(suite)
        assert result.testsRun
        sys.exit(not result.wasSuccessful())
    """)
    assert "OK" in printed


def test_the_command_refuses_before_it_starts():
    printed = _python(
        """
        import sys
        import nova.cmd.manage
        import nova.policies
        del nova.policies.list_rules
        nova.cmd.manage.main = lambda: print(nova.config.parse_args(["nova-manage"]), "STARTED")
        from nova_xloud.cmd import run
        sys.argv = ["nova-xloud-run", "nova-manage", "version"]
        sys.exit(run.main())
        """,
        expect=78,
    )
    assert "nova.policies:list_rules: expected (), found nothing" in printed
    assert "STARTED" not in printed


def test_the_command_passes_arguments_and_exit_code_on():
    printed = _python(
        """
        import sys
        from nova_xloud.cmd import run
        sys.argv = ["nova-xloud-run", "nova-manage", "--version"]
        sys.exit(run.main())
        """
    )
    assert releases.version() in printed


def test_the_lock_of_an_instance_is_novas():
    from nova import utils

    from nova_xloud.adapters.locks import InstanceLocks

    order = []

    @utils.synchronized("4b5f")
    def nova_operation():
        order.append("nova")

    import threading

    with InstanceLocks().hold("4b5f", within=1):
        thread = threading.Thread(target=nova_operation)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        order.append("xloud")
    thread.join(5)
    assert order == ["xloud", "nova"]


def test_the_intervals_of_periodic_tasks_are_the_operators(tmp_path):
    settings = tmp_path / "nova.conf"
    settings.write_text("""
[DEFAULT]
heal_instance_info_cache_interval = 77
[scheduler]
discover_hosts_in_cells_interval = 5
""")
    printed = _python(f"""
        import sys
        from nova_xloud import releases
        releases.choose_backend()
        import nova.config
        from nova_xloud.seams.install import install_when_configured
        install_when_configured()
        nova.config.parse_args(["nova-compute", "--config-file", {str(settings)!r}])
        from nova.compute.manager import ComputeManager
        from nova.scheduler.manager import SchedulerManager
        print("intervals", ComputeManager._heal_instance_info_cache._periodic_spacing,
              SchedulerManager._discover_hosts_in_cells._periodic_spacing)
        from nova import policies
        print([rule.name for rule in policies.list_rules() if "xloud" in rule.name])
    """)
    assert "intervals 77 5" in printed.splitlines()
    assert "os_compute_api:xloud:adjust" in printed
