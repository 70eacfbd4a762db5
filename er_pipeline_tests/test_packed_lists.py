import numpy as np

from er_pipeline.blocking.neighbours.packed_lists import (
    NONE,
    WHOLE,
    Candidates,
    cut,
    found_similarity,
    last_decimals,
    merged,
    pack,
    ranked,
    renumbered,
    texts_in,
    without_ties,
)


def lists(*of: list[tuple[float, int]], border: list[int] | None = None) -> Candidates:
    """Lists of (similarity, text)."""
    width = max(map(len, of))
    packed = np.full((len(of), width), NONE, np.int64)
    for row, entries in enumerate(of):
        for column, (similarity, text) in enumerate(entries):
            whole = last_decimals(np.array([similarity], np.float32))
            packed[row, column] = pack(whole, np.array([text]), whole)[0]
    return Candidates(np.sort(packed, axis=1), np.array(border or [WHOLE] * len(of), np.int16))


def shown(candidates: Candidates) -> list[list[tuple[float, int]]]:
    return [
        [
            (found_similarity(np.array([entry]))[0] / 10_000, texts_in(np.array([entry]))[0])
            for entry in row
            if entry != NONE
        ]
        for row in candidates.packed
    ]


def test_entries_are_sorted_by_similarity_and_ties_by_the_lower_text() -> None:
    assert shown(lists([(0.5, 9), (1.0, 2**31 - 1), (0.5, 3)])) == [
        [(1.0, 2**31 - 1), (0.5, 3), (0.5, 9)]
    ]


def test_what_is_gone_is_taken_out_and_what_may_not_be_all_is_not_trusted() -> None:
    before = lists([(0.9, 0), (0.8, 1), (0.7, 2), (0.7, 3)], border=[7000])
    after = renumbered(before, np.array([4, -1, 6, 7]))
    assert shown(after) == [[(0.9, 4)]]
    assert after.are_settled(1).tolist() == [True]
    assert after.are_settled(2).tolist() == [False]


def test_a_whole_list_is_settled_however_short() -> None:
    after = renumbered(lists([(0.9, 0), (0.8, 1)]), np.array([-1, -1]))
    assert shown(after) == [[]]
    assert after.are_settled(5).tolist() == [True]


def test_lists_of_different_others_are_put_together_as_far_as_both_are_known() -> None:
    one = lists([(0.9, 0), (0.6, 1)], [(0.5, 1)], border=[5000, WHOLE])
    other = lists([(0.7, 5), (0.4, 6)], [(0.5, 0)])
    both = merged(one, other)
    assert shown(both) == [[(0.9, 0), (0.7, 5), (0.6, 1)], [(0.5, 0), (0.5, 1)]]
    assert both.border.tolist() == [5000, WHOLE]


def test_a_list_that_is_cut_knows_what_it_may_lack() -> None:
    shorter = cut(lists([(0.9, 0), (0.8, 1), (0.8, 2)], [(0.9, 1)]), 2)
    assert shown(shorter) == [[(0.9, 0), (0.8, 1)], [(0.9, 1)]]
    assert shorter.border.tolist() == [8000, WHOLE]
    assert cut(shorter, 4).packed.shape == (2, 4)


def test_the_first_candidates_are_ranked_by_their_whole_similarity() -> None:
    found, full = np.array([5000, 4000, 3000]), np.array([5000, 9000, 9900])
    packed = pack(found, np.array([7, 8, 9]), full)[None, :]
    listed = ranked(Candidates(packed, np.array([WHOLE], np.int16)), np.array([3]), 2, 5, 0.1)
    assert listed.neighbour.tolist() == [8, 7]
    assert listed.rank.tolist() == [1, 2]
    assert listed.query.tolist() == [3, 3]
    assert np.allclose(listed.similarity, [0.9, 0.5])


def test_what_ties_with_the_first_that_is_too_many_is_left_out() -> None:
    tied = lists([(0.9, 0), (0.8, 1), (0.8, 2), (0.7, 3)], [(0.9, 1), (0.8, 2), (0.7, 3)])
    assert shown(without_ties(tied, 2)) == [[(0.9, 0)], [(0.9, 1), (0.8, 2)]]
    # Below the border there may be others as similar as those that are listed.
    ends_in_a_tie = lists([(0.9, 0), (0.8, 1), (0.8, 2)], [(0.9, 1)], border=[8000, WHOLE])
    assert shown(without_ties(ends_in_a_tie, 5)) == [[(0.9, 0)], [(0.9, 1)]]
