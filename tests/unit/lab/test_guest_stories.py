"""The pure parts of ``make guests``: its judgement, its table, and what it writes into the page."""

import re

import pytest

from lab import contents, guest
from lab.errors import LabError
from lab.guest_stories import judge, page, run, shell
from lab.guest_stories.judge import Look
from lab.guest_stories.kinds import KINDS
from lab.guest_stories.run import Told
from lab.guest_stories.stories import STORIES
from lab.witnesses import Size, Witnesses

SMALL, LARGE = Size(1, 512), Size(3, 1024)


def test_each_kind_has_a_story_and_an_image() -> None:
    assert list(KINDS) == list(STORIES)
    assert {kind.image for kind in KINDS.values()} <= {image.name for image in contents.IMAGES}


@pytest.mark.parametrize(
    "look",
    [
        Look(SMALL, SMALL, SMALL, SMALL),
        Look(LARGE, SMALL, SMALL, LARGE),
        # It grew, and its claim before it.
        Look(SMALL, LARGE, LARGE, LARGE),
        # It shrank, and its claim after it.
        Look(LARGE, LARGE, LARGE, SMALL),
        # It is off.
        Look(SMALL, None, LARGE, SMALL),
        Look(SMALL, Size(1, 1024), Size(1, 1024), SMALL, booting=True),
        # It says itself that it has more CPUs than it can have.
        Look(SMALL, SMALL, Size(8, 512), SMALL),
        Look(SMALL, SMALL, None, SMALL),
    ],
)
def test_claim_covers_what_the_guest_holds(look: Look) -> None:
    assert judge.too_little(look) == ""


@pytest.mark.parametrize(
    ("look", "sentence"),
    [
        (
            Look(SMALL, Size(3, 512), None, SMALL, booting=True),
            "The guest holds 3 vCPUs, and Placement has 1.",
        ),
        (
            Look(SMALL, SMALL, Size(1, 1024), SMALL),
            "The guest holds 1024 MiB, and Placement has 512 MiB.",
        ),
        (
            Look(None, SMALL, None, None),
            "The guest holds 1 vCPUs, and Placement has 0.",
        ),
    ],
)
def test_claim_below_what_the_guest_holds_is_said_with_both_numbers(
    look: Look, sentence: str
) -> None:
    assert judge.too_little(look) == sentence


def test_what_is_not_as_expected_is_a_sentence() -> None:
    assert judge.wrong_code("openstack", 5, 5) == ""
    assert judge.wrong_code("openstack", 0, 5) == (
        "`openstack` ended with exit code 0, and 5 was expected."
    )
    assert judge.not_said("openstack", "a long\n  line", "long line") == ""
    assert judge.not_said("openstack", "a line", "longer") == "`openstack` did not print: longer"
    assert judge.wrong_conditions({"Converged": "x"}, {"Converged": "x"}) == ""
    assert judge.wrong_conditions({}, {"Converged": "x"}) == (
        "True is no condition, and Converged (x) was expected."
    )
    assert judge.not_true({"Booting": "x"}, "Booting") == ""
    assert judge.not_true({"Booting": "x"}, "GuestSilent") == (
        "True is Booting (x), and GuestSilent was expected."
    )
    assert judge.wrong_claim(SMALL, SMALL) == ""
    assert "1 / 512" in judge.wrong_claim(None, SMALL)


def test_each_broken_rule_is_said_and_so_is_what_could_not_be_checked() -> None:
    report = {
        "breaks": [
            {"code": "columns_differ", "message": "they differ"},
            {"code": "host_oversold", "message": "too much"},
        ],
        "not_checked": ["compute1"],
    }
    assert judge.broken_rules(report) == (
        "columns_differ: they differ host_oversold: too much It could not be checked: compute1"
    )
    assert judge.broken_rules({"breaks": [], "not_checked": []}) == ""


def test_each_source_with_another_size_is_named() -> None:
    expected = Witnesses(SMALL, SMALL, SMALL)
    assert judge.wrong_sizes(expected, expected) == ""
    said = judge.wrong_sizes(Witnesses(SMALL, LARGE, None), expected)
    assert "Placement" not in said
    assert "libvirt has 1 / 512 (vCPUs / MiB), and it is 3 / 1024" in said
    assert "guest says" in said


def test_transcript_has_the_exit_code_of_a_command_that_failed() -> None:
    assert shell.Ran("openstack x", 0, "done\n").transcript == "$ openstack x\ndone\n"
    assert shell.Ran("openstack x", 5, "no\n").transcript == "$ openstack x\nno\n$ echo $?\n5\n"


def test_run_fails_without_a_story_and_with_a_problem() -> None:
    good, bad = Told("paused", 1.0, ()), Told("no-driver", 2.5, ("It was not.",))
    assert run.exit_code([good]) == 0
    assert run.exit_code([good, bad]) == 1
    assert run.exit_code([]) == 1
    assert run.table([good, bad]).splitlines() == [
        "paused                   1.0 s  as expected",
        "no-driver                2.5 s  not as expected",
        "    It was not.",
    ]
    assert run.table([]) == "No story was told."


def test_stories_are_chosen_by_name() -> None:
    assert run.chosen([]) == list(STORIES)
    assert run.chosen(["paused", "no-driver", "paused"]) == ["paused", "no-driver"]
    with pytest.raises(LabError, match="there is no story nothing; choose from: no-driver, "):
        run.chosen(["paused", "nothing"])


PAGE = """\
# Guests

<!-- story: one, written by make guests WRITE=1 -->
<!-- end of story -->

Between.

<!-- story: two, written by make guests WRITE=1 -->

    $ old

<!-- end of story -->
"""


def test_page_gets_what_a_story_printed_and_keeps_the_rest() -> None:
    once = page.with_story(PAGE, "one", "$ first\n\\1 out\n")
    both = page.with_story(once, "two", "$ new\n")
    assert both == PAGE.replace(
        "=1 -->\n<!-- end", "=1 -->\n\n    $ first\n    \\1 out\n\n<!-- end", 1
    ).replace("$ old", "$ new")
    assert page.with_story(both, "two", "$ new\n") == both


def test_story_without_a_place_in_the_page_is_an_error() -> None:
    with pytest.raises(LabError, match="no place for the story three"):
        page.with_story(PAGE, "three", "")


def test_long_lines_are_broken_between_words_and_keep_their_margin() -> None:
    long = "   0.1 s  " + "word " * 30
    lines = page.indented(long).splitlines()
    assert len(lines) == 2
    assert all(line.startswith("       ") and len(line) <= 100 for line in lines)
    assert " ".join(" ".join(lines).split()) == " ".join(long.split())


def test_page_has_a_row_and_the_output_of_each_kind_or_says_it_has_none() -> None:
    text = page.PATH.read_text()
    for name, kind in KINDS.items():
        _, _, rest = text.partition(f"<!-- story: {name}, written by make guests WRITE=1 -->")
        told, _, _ = rest.partition("<!-- end of story -->")
        assert f"$ openstack server adjust guest-{name} " in told or "*Not printed yet:" in told
        assert f"`make guests NAMES={name}`, image `{kind.image}`." in " ".join(text.split())
    titles = re.findall(r"^\| \[(.*)\]\(#", text, re.MULTILINE)
    assert len(titles) == len(KINDS)
    assert set(titles) < set(re.findall(r"^## (.*)$", text, re.MULTILINE))


def test_page_has_each_behaviour_of_the_labs_guest() -> None:
    text = page.PATH.read_text()
    assert [one for one in guest.BEHAVIOURS if f"`{one}`" not in text] == []
