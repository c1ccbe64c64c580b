"""Protects the verdict on the base: a majority that has a header or two constant sectors behind it."""

import pytest

from jpegrescue.source.crypt.ballot import Ballot, Solved


def counted(*votes: tuple[str, int, int]) -> Ballot:
    ballot = Ballot()
    for kind, value, count in votes:
        ballot.add(kind, value, count)
    return ballot


@pytest.mark.parametrize(
    ("votes", "verdict"),
    [
        ([], None),
        ([("jpeg", 7, 1)], Solved(7, 1, "jpeg")),
        ([("fill", 7, 1)], None),
        ([("fill", 7, 2)], Solved(7, 2, "fill")),
        ([("fill", 7, 1), ("jpeg", 7, 1)], Solved(7, 2, "jpeg+fill")),
        ([("jpeg", 0, 1)], Solved(0, 1, "jpeg")),
        ([("fill", -4096, 2)], Solved(-4096, 2, "fill")),
        ([("fill", 7, 1), ("fill", 8, 1), ("fill", 7, 1)], Solved(7, 2, "fill")),
    ],
)
def test_who_wins(votes: list[tuple[str, int, int]], verdict: Solved | None) -> None:
    assert counted(*votes).verdict() == verdict


@pytest.mark.parametrize(
    "votes",
    [
        [("jpeg", 7, 1), ("jpeg", 8, 1)],
        [("jpeg", 7, 1), ("fill", 8, 1)],
        [("fill", 7, 5), ("fill", 8, 5)],
        [("fill", 7, 5), ("fill", 8, 3), ("jpeg", 9, 2)],
        [("fill", 7, 4), ("fill", 8, 3), ("jpeg", 9, 2)],
    ],
)
def test_half_of_the_votes_is_no_majority(votes: list[tuple[str, int, int]]) -> None:
    assert counted(*votes).verdict() is None


def test_contradicting_evidence_is_outvoted_not_outranked() -> None:
    """Both kinds count alike: a header alone does not beat two constant sectors."""
    assert counted(("jpeg", 7, 1), ("fill", 8, 2)).verdict() == Solved(8, 2, "fill")
    assert counted(("jpeg", 7, 2), ("fill", 8, 1), ("fill", 7, 1)).verdict() == Solved(7, 3, "jpeg+fill")


def test_of_equals_the_smallest_leads() -> None:
    assert counted(("fill", 9, 2), ("jpeg", 4, 2), ("fill", 5, 1)).leader() == (4, 2, 3)
    assert counted(("fill", -9, 1), ("fill", 4, 1)).leader() == (-9, 1, 1)
    assert Ballot().leader() == (0, 0, 0)


def test_kinds_are_added_up_per_value() -> None:
    assert counted(("jpeg", 4, 2), ("fill", 4, 3), ("fill", 5, 4)).leader() == (4, 5, 4)


def test_memory_is_bounded_and_no_vote_forgotten() -> None:
    ballot = counted(("fill", 4, 2), ("jpeg", 4, 1), ("jpeg", 9, 1))
    for value in range(100, 20_000):
        ballot.add("fill", value)
    assert ballot.leader() == (4, 3, 1 + 19_900)
    assert ballot.verdict() is None
    assert sum(map(len, ballot._votes.values())) <= 4096 + 64
    ballot.add("fill", 4, 20_000)
    assert ballot.verdict() == Solved(4, 20_003, "jpeg+fill")
