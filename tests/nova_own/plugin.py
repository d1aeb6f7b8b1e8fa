# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin under which Nova's own tests run here: ``pytest -p tests.nova_own.plugin``.

NOVA_XLOUD_STOCK=1 leaves Nova as it is. NOVA_XLOUD_WITHOUT=TARGET extends it but for one seam of
``seams/table.py``, or but for one method of a class of ours, also as ``module:Class.method``.
"""

import functools
import os
import pathlib
import sys

# Before anything of Nova: it chooses between threads and eventlet.
import tests.conftest  # noqa: F401  isort: skip

import pytest
import testscenarios.scenarios
from nova import conf, test
from stevedore.extension import ExtensionManager


def hide_entry_points():
    """Hide what the installed package registers: stock Nova knows none of it."""
    listed = ExtensionManager.list_entry_points

    def without_ours(manager):
        return [one for one in listed(manager) if not one.value.startswith("nova_xloud.")]

    ExtensionManager.list_entry_points = without_ours


@functools.cache
def extend_nova():
    """As ``nova-xloud-run`` does, without what NOVA_XLOUD_WITHOUT names."""
    # In nova-compute the driver has imported libvirt before anything of ours does. Nova 31 imports
    # it in the driver's constructor only, and Nova's tests refuse the first import within a test.
    import nova_xloud.libvirt.domain_stats  # noqa: F401
    from nova_xloud.seams.install import install
    from nova_xloud.seams.seam import resolve
    from nova_xloud.seams.table import SEAMS

    without = os.environ.get("NOVA_XLOUD_WITHOUT")
    kept = tuple(seam for seam in SEAMS if seam.target != without)
    install(kept)
    if without and len(kept) == len(SEAMS):
        owner, name, _ = resolve(without)
        delattr(owner, name)


if os.environ.get("NOVA_XLOUD_STOCK") == "1":
    hide_entry_points()
else:
    extend_nova()


@pytest.fixture(autouse=True)
def nova_under_pytest(monkeypatch):
    """Point Nova at the stock api-paste.ini, and let pytest clean up after Nova's TestCase."""
    fit_nova_to_pytest(monkeypatch)
    yield
    conf.CONF.clear_override("api_paste_config", "wsgi")


def fit_nova_to_pytest(monkeypatch):
    paste = pathlib.Path(sys.prefix, "etc/nova/api-paste.ini")
    conf.CONF.set_override("api_paste_config", str(paste), "wsgi")
    clear = test.TestCase._clear_attrs

    def keep_test_method(self):
        # pytest puts the method on the instance, and deletes it itself when the test is over.
        method = self.__dict__.get(self._testMethodName)
        clear(self)
        if method is not None:
            setattr(self, self._testMethodName, method)

    cloned = testscenarios.scenarios.clone_test_with_new_id

    def clone_without_test_method(original, new_id):
        # That is a method of the original, and the clone of a scenario is not set up by running it.
        clone = cloned(original, new_id)
        vars(clone).pop(clone._testMethodName, None)
        return clone

    monkeypatch.setattr(test.TestCase, "_clear_attrs", keep_test_method)
    # A service that a test has stopped does so later than Nova's fixture keeps it from it.
    # Nova has had it since 34.
    if pools := sys.modules.get("nova.thread_pool_factory"):
        monkeypatch.setattr(pools, "shutdown_all_executors", lambda: None, raising=False)
    monkeypatch.setattr(
        testscenarios.scenarios, "clone_test_with_new_id", clone_without_test_method
    )
