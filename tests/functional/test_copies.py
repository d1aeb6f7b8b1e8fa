# SPDX-License-Identifier: Apache-2.0
"""What one functional test changes, no other sees."""

import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap

import ddt
import pytest
from nova import conf

from nova_xloud import releases
from tests.functional.base import AdjustTestCase

ROOT = pathlib.Path(__file__).parents[2]
needs_copies = pytest.mark.skipif(
    releases.major() < 34, reason="there are no copies where Nova is on eventlet"
)


@needs_copies
@ddt.ddt
class Copied(AdjustTestCase):
    SEEN = []

    def setUp(self):
        super().setUp()
        self.made_with = os.getpid()

    @ddt.data("one", "another")
    def test_what_another_test_changed_is_as_it_was(self, name):
        file = pathlib.Path(tempfile.gettempdir(), "written by a test")
        assert not self.SEEN
        assert not file.exists()
        assert conf.CONF.xloud.poll_interval == 0.02
        assert [one["id"] for one in self.api.get_servers(detail=False)] == [self.server["id"]]
        self._has(1, 512)
        self.SEEN.append(name)
        file.write_text(name)
        self.flags(poll_interval=0.03, group="xloud")
        self._adjust(current_vcpus=2)
        self._has(2, 512)
        self._elastic()

    @ddt.data("one", "another")
    def test_its_cloud_was_started_by_another_process(self, name):
        assert self.made_with != os.getpid()


def _run(tmp_path, tests):
    """Run a file of tests as those in this folder; what pytest printed."""
    hooks = "nova_under_pytest, pytest_runtest_protocol, pytest_sessionfinish"
    (tmp_path / "conftest.py").write_text(f"from tests.functional.conftest import {hooks}\n")
    (tmp_path / "test_some.py").write_text(textwrap.dedent(tests))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    # What the outer run is to print is not what is judged here.
    environment.pop("PYTEST_ADDOPTS", None)
    # With CI in the environment, pytest's summary would print each failure a second time.
    command = [sys.executable, "-m", "pytest", "-q", "-rN", "-p", "no:cacheprovider", "."]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    return done.stdout + done.stderr


@needs_copies
class TestWhatGoesWrong:
    def test_a_test_that_ends_its_process_fails_and_the_others_run(self, tmp_path):
        printed = _run(
            tmp_path,
            """
            import os
            from nova import test

            class Some(test.NoDBTestCase):
                def test_1(self):
                    pass

                def test_2(self):
                    os._exit(7)

                def test_3(self):
                    pass
            """,
        )
        assert "1 failed, 2 passed" in printed, printed
        assert "its process ended with exit code 7" in printed, printed

    def test_an_error_beside_the_test_has_its_traceback(self, tmp_path):
        printed = _run(
            tmp_path,
            """
            import threading

            def test_1():
                pass

            def test_2(record_property):
                # Its report cannot be sent.
                record_property("lock", threading.Lock())
            """,
        )
        assert "1 failed, 1 passed" in printed, printed
        assert "cannot pickle '_thread.lock' object" in printed, printed
        assert "in _tell_reports" in printed, printed

    def test_files_that_are_not_put_back_have_a_traceback(self, tmp_path):
        printed = _run(
            tmp_path,
            """
            from tests.functional import copies

            def cannot(files):
                raise OSError("no space is left")

            copies.Files.put_back = cannot

            def test_1():
                pass

            def test_2():
                pass
            """,
        )
        assert "2 failed" in printed, printed
        assert printed.count("in cannot") == 2, printed

    def test_a_set_up_that_fails_is_told_by_each_test(self, tmp_path):
        printed = _run(
            tmp_path,
            """
            from nova import test

            class Some(test.NoDBTestCase):
                def setUp(self):
                    super().setUp()
                    raise RuntimeError("no such cloud")

                def test_1(self):
                    pass

                def test_2(self):
                    pass
            """,
        )
        assert "2 failed" in printed, printed
        assert printed.count("RuntimeError: no such cloud") >= 2, printed

    def test_a_thread_that_does_not_end_is_named(self, tmp_path):
        printed = _run(
            tmp_path,
            """
            import threading
            from nova import test
            from tests.functional import standstill

            class Some(test.NoDBTestCase):
                def setUp(self):
                    super().setUp()
                    standstill.Movement.stop.__defaults__ = (0.1,)
                    wait = threading.Event().wait
                    threading.Thread(target=wait, name="who stays", daemon=True).start()

                def test_1(self):
                    pass

                def test_2(self):
                    pass

            class OfItsOwn(Some):
                own_cloud = True
            """,
        )
        assert "2 failed, 2 passed" in printed, printed
        assert "these threads do not end: who stays" in printed, printed
