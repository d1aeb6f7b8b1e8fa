"""The tracer fits what it wraps, and writes what it should."""

import contextlib
import importlib
import json
import types

import pytest

from tests.bench import tracer


@pytest.fixture
def spans(tmp_path, monkeypatch):
    file = tmp_path / "spans.jsonl"
    file.write_text("")
    monkeypatch.setattr(tracer, "_FILE", str(file))
    return lambda: [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("name", tracer.TARGETS)
def test_every_function_of_the_table_is_there(name):
    module = importlib.import_module(name)
    for path in tracer.TARGETS[name]:
        found = module
        for part in path.split("."):
            found = getattr(found, part)
        assert callable(found), path


def test_a_call_is_written_and_its_answer_is_what_it_was(spans):
    module = types.SimpleNamespace(double=lambda number: 2 * number)
    tracer.wrap(module, {"double": "twice"})
    assert module.double(4) == 8
    (span,) = spans()
    assert span["name"] == "twice"
    assert span["began"] <= span["ended"]


def test_one_that_raises_is_written_too(spans):
    def fails():
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        tracer.timed(fails, "fails")()
    assert [span["name"] for span in spans()] == ["fails"]


def test_of_a_lock_only_the_entering_is_timed(spans):
    inside = []

    @contextlib.contextmanager
    def hold(uuid, within):
        yield uuid

    with tracer.timed(hold, "lock")("one", within=2) as got:
        inside += spans()
        assert got == "one"
    assert [span["name"] for span in inside] == ["lock"]
    assert spans() == inside


def test_without_a_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(tracer, "_FILE", str(tmp_path / "nowhere"))
    assert tracer.timed(lambda: 3, "three")() == 3
    assert list(tmp_path.iterdir()) == []
