# SPDX-License-Identifier: Apache-2.0
"""What a run of some of Nova's tests is called."""

from tests.nova_own.subsets import label


def test_some_names_are_the_label():
    assert label(["unit.test_a", "functional.test_b"]) == "unit.test_a+functional.test_b"


def test_many_are_shortened_to_a_folders_name_and_others_get_another():
    many = [f"functional.api_sample_tests.test_{number}" for number in range(26)]
    assert label(many).startswith(f"{many[0]}+25-others-")
    assert len(label(many)) < 100
    assert label(many) == label(list(many)) != label([*many[:-1], "unit"])
