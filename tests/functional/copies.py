# SPDX-License-Identifier: Apache-2.0
"""Each test has a copy of the cloud that its class started once.

A class has a process. There its ``setUp`` starts the cloud, which is then brought to a standstill.
Each test is a fork of that process, in which the cloud goes on: what the test changes in memory
ends with it, and databases and files are put back before the next. So a test sees of another as
little as with a cloud of its own, and set-up, which costs more than most tests, is done once.

With ``own_cloud = True`` each test of a class starts a cloud, in a process of its own all the same.
"""

import contextlib
import gc
import multiprocessing
import os
import shutil
import tempfile
import traceback

import pytest
from _pytest.runner import runtestprotocol
from nova import test

from nova_xloud import releases
from tests.functional.standstill import Movement
from tests.nova_own.plugin import fit_nova_to_pytest


class Copies:
    """Runs each test in a copy of the cloud, unless it is the only test of its run.

    There are no copies where Nova is on eventlet, and none with ``--pdb``.
    """

    def __init__(self):
        self._origin = None

    def run(self, item, nextitem):
        """Do what the hook ``pytest_runtest_protocol`` has to do; None leaves it to pytest."""
        if not _has_copies(item):
            return None
        if self._origin is None:
            self._origin = Origin(item)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._origin.run(item):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if nextitem is None or nextitem.parent is not item.parent:
            self.end()
        return True

    def end(self):
        """End the process of the last class."""
        if self._origin is not None:
            self._origin.end()
            self._origin = None


def _has_copies(item):
    return (
        releases.major() >= 34
        and len(item.session.items) > 1
        and not item.config.getoption("usepdb")
    )


class Origin:
    """The process from which the tests of one class are forked.

    :param item: the first of these tests
    """

    def __init__(self, item):
        ours, self._theirs = multiprocessing.Pipe()
        self._pid = os.fork()
        if not self._pid:
            ours.close()
            exit_after(lambda: _serve(item, self._theirs))
        self._theirs.close()
        self._connection = ours

    def run(self, item):
        """Run one test, and return its reports."""
        try:
            self._connection.send(item.nodeid)
            told = self._connection.recv()
        except (EOFError, OSError):
            told = "the process from which it is forked ended"
        if isinstance(told, str):
            return [_crashed(item, told)]
        hook = item.config.hook
        return [
            hook.pytest_report_from_serializable(config=item.config, data=data) for data in told
        ]

    def end(self):
        """End the process, and remove its files."""
        self._connection.close()
        os.waitpid(self._pid, 0)


def _crashed(item, why):
    return pytest.TestReport(
        item.nodeid, item.location, dict.fromkeys(item.keywords, 1), "failed", why, "call"
    )


def exit_after(do):
    """Call ``do`` and end this fork, so that nothing its parent has yet to do is done twice."""
    code = 1
    try:
        do()
        code = 0
    finally:
        os._exit(code)


def _serve(item, connection):
    """Fork each test that is asked for, in the process of a class, until the connection ends."""
    items = {one.nodeid: one for one in item.session.items}
    with tempfile.TemporaryDirectory(prefix="cloud-") as home, contextlib.suppress(EOFError):
        run = _how_to_run(item, home)
        gc.collect()
        gc.freeze()
        while True:
            connection.send(run(items[connection.recv()]))


def _how_to_run(item, home):
    """Return what runs a test in a fork, with a cloud if the class has one.

    If the cloud could not be started, each test has the traceback of that as its report.
    """
    try:
        files = Files(home)
        adopt = _start_cloud(item) if _shares_a_cloud(item) else lambda: None
        files.keep()
    except Exception:  # noqa: BLE001 - each test reports it
        why = traceback.format_exc()
        return lambda item: why

    def run(item):
        try:
            told = _forked(item, adopt)
            files.put_back()
        except Exception:  # noqa: BLE001 - this test reports it
            return traceback.format_exc()
        return told

    return run


def _shares_a_cloud(item):
    case = getattr(item, "cls", None)
    is_nova = case is not None and issubclass(case, test.TestCase)
    return is_nova and not getattr(case, "own_cloud", False)


class Files:
    """All files of a cloud: databases, and what its hosts write."""

    def __init__(self, home):
        self._now, self._kept = os.path.join(home, "now"), os.path.join(home, "kept")
        os.mkdir(self._now)
        tempfile.tempdir = self._now

    def keep(self):
        shutil.copytree(self._now, self._kept, symlinks=True)

    def put_back(self):
        shutil.rmtree(self._now)
        shutil.copytree(self._kept, self._now, symlinks=True)


def set_up_and_stop(case):
    """Start what ``setUp`` of a test case starts, and bring it to a standstill.

    :returns: the :class:`Standstill`, for forks of this process
    """
    monkeypatch = pytest.MonkeyPatch()
    fit_nova_to_pytest(monkeypatch)
    movement = Movement(monkeypatch)
    case.setUp()
    return movement.stop()


def _start_cloud(item):
    """Start what ``setUp`` of a class starts.

    :returns: a function that a fork calls, so that a test of that class is run with that cloud
    """
    case = item.cls(item.name)
    standstill = set_up_and_stop(case)
    made = dict(vars(case))
    run = item.cls.run

    def go_on(case):
        # It is the one that was set up, but testtools has reset it.
        name = case._testMethodName
        vars(case).update(made, _testMethodName=name)
        standstill.go_on()

    def run_set_up(pytests, *args, **kwargs):
        # Not pytest's own instance: what was set up knows this one, in callbacks and cleanups.
        case._testMethodName = pytests._testMethodName
        return run(case, *args, **kwargs)

    def adopt():
        item.cls.setUp, item.cls.run = go_on, run_set_up

    return adopt


def _forked(item, adopt):
    """Run a test in a fork, and return its reports as data, or a text: how the fork ended."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if not pid:
        exit_after(lambda: _tell_reports(theirs, item, adopt))
    theirs.close()
    try:
        told = ours.recv()
    except EOFError:
        told = None
    _, status = os.waitpid(pid, 0)
    # Negative: the signal that ended it.
    return told or f"its process ended with exit code {os.waitstatus_to_exitcode(status)}"


def _tell_reports(connection, item, adopt):
    """Send the reports of a test, or the traceback of what went wrong beside it."""
    try:
        connection.send(_reports(item, adopt))
    except BaseException:
        connection.send(traceback.format_exc())
        raise


def _reports(item, adopt):
    adopt()
    hook = item.config.hook
    return [
        hook.pytest_report_to_serializable(config=item.config, report=report)
        for report in runtestprotocol(item, log=False)
    ]
