# SPDX-License-Identifier: Apache-2.0
"""A run of pytest that has told all its verdicts has ended, also if its process does not."""

import subprocess
import sys

from tests.nova_own import pytest_run


def test_process_that_hangs_after_its_last_verdict_is_ended(tmp_path, monkeypatch):
    verdicts = tmp_path / "verdicts.jsonl"
    verdicts.write_text('{"id": "one", "verdict": "passed"}\n{"exit": 0}\n')
    monkeypatch.setattr(pytest_run, "PROGRESS_SECONDS", 0.1)
    hanging = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pytest_run._wait(hanging, "part", verdicts)
    assert hanging.returncode is not None


def test_process_without_a_last_verdict_is_waited_for(tmp_path, monkeypatch):
    verdicts = tmp_path / "verdicts.jsonl"
    verdicts.write_text('{"id": "one", "verdict": "passed"}\n')
    monkeypatch.setattr(pytest_run, "PROGRESS_SECONDS", 0.1)
    slow = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"])
    pytest_run._wait(slow, "part", verdicts)
    assert slow.returncode == 0
