# SPDX-License-Identifier: Apache-2.0
"""Nova's own functional fixtures, from the installed wheel, with nova-xloud installed in Nova."""

import pathlib
import sys

import pytest
from nova import conf, test

from nova_xloud.seams.install import install

install()


@pytest.fixture(autouse=True)
def nova_under_pytest(monkeypatch):
    """Point Nova at the stock api-paste.ini, and let pytest clean up after Nova's TestCase."""
    paste = pathlib.Path(sys.prefix, "etc/nova/api-paste.ini")
    conf.CONF.set_override("api_paste_config", str(paste), "wsgi")
    clear = test.TestCase._clear_attrs

    def keep_test_method(self):
        # pytest puts the method on the instance, and deletes it itself when the test is over.
        method = self.__dict__.get(self._testMethodName)
        clear(self)
        if method is not None:
            setattr(self, self._testMethodName, method)

    monkeypatch.setattr(test.TestCase, "_clear_attrs", keep_test_method)
    yield
    conf.CONF.clear_override("api_paste_config", "wsgi")
