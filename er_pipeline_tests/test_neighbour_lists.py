from collections.abc import Callable

import pytest

from er_pipeline.blocking.encoders import Lexical, Static
from er_pipeline.blocking.neighbours.neighbour_lists import search_settings
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.test_embedding_blocks import at, by_hand, pairs_of

TWO_SOURCES = [at(0, 40, 80), at(1, 2, 41, 42, 120)]


def test_linking_pairs_only_across_sources(dataset: Callable[..., Dataset]) -> None:
    people = dataset(*TWO_SOURCES, **by_hand(k=1))
    people.neighbours()
    # The left three list 3, 5 and 6; the right five list 0, 0, 1, 1 and 2.
    assert pairs_of(people) == {(0, 3), (1, 5), (2, 6), (0, 4), (1, 6), (2, 7)}


def test_small_to_large_searches_from_the_smaller_source(dataset: Callable[..., Dataset]) -> None:
    people = dataset(*TWO_SOURCES, **by_hand(k=1, direction="small_to_large"))
    people.neighbours()
    assert pairs_of(people) == {(0, 3), (1, 5), (2, 6)}


def test_link_and_dedupe_compares_everything(dataset: Callable[..., Dataset]) -> None:
    people = dataset(*TWO_SOURCES, mode="link_and_dedupe", **by_hand(k=1))
    people.neighbours()
    assert pairs_of(people) == {(0, 3), (3, 4), (1, 5), (5, 6), (2, 6), (2, 7)}


@pytest.mark.parametrize(
    ("encoder", "mode", "changed", "is_searched_by"),
    [
        (Lexical(), "dedupe", {"k": 3}, True),
        (Lexical(), "dedupe", {"max_work_per_record": 5_000}, True),
        (Lexical(), "dedupe", {"min_recall": 0.9}, False),  # judged only
        (Lexical(), "dedupe", {"flat_limit": 7}, False),
        (Lexical(), "dedupe", {"max_pairs_per_record": 7}, False),
        (Lexical(), "dedupe", {"direction": "small_to_large"}, False),
        (Lexical(), "link", {"direction": "small_to_large"}, True),
        (Static(encoder="static"), "dedupe", {"flat_limit": 7}, True),
        (Static(encoder="static"), "dedupe", {"min_recall": 0.9}, True),  # chooses the width
    ],
)
def test_the_settings_of_a_search_are_those_that_shape_what_it_finds(
    encoder: Lexical | Static, mode: str, changed: dict[str, object], is_searched_by: bool
) -> None:
    other = encoder.model_copy(update=changed)
    assert (search_settings(other, mode) != search_settings(encoder, mode)) == is_searched_by
