"""The table of measures."""

import importlib

from tests.bench import measures


def test_each_name_is_one_measure_with_a_module_that_runs():
    assert len(measures.by_name()) == len(measures.MEASURES)
    for one in measures.MEASURES:
        module = importlib.import_module(f"{measures.__name__}.{one.name.replace('-', '_')}")
        assert callable(module.run)
        assert module.__doc__
        assert one.title
        assert one.help.endswith(".")
