from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation import entity_chain
from er_pipeline.evaluation.entity_chain import ChainLink, strongest_chain
from er_pipeline_tests.small_spec import small_spec

Match = tuple[int, int, float]
# In place of a probability: people call it a match.
SAID = 2.0


def chain(matches: list[Match], start: int, end: int) -> list[ChainLink]:
    spec: PipelineSpec = small_spec(matching={"threshold": 0.5}, training_rules={"name": "name"})
    numbers = sorted({no for left, right, _ in matches for no in (left, right)})
    with DuckDBEngine(threads=1) as engine:
        engine.make_table(
            "cleaned_records",
            "select * from (values"
            + ", ".join(f"({no}, 'people', 'r{no}')" for no in numbers)
            + ") as t(record_no, source, record_id)",
        )
        engine.make_table("entities", f"select unnest({numbers}) as record_no, 0 as entity_no")
        engine.make_table(
            "entity_links",
            "select left_no, right_no, nullif(match_probability, 2)::double as match_probability,"
            f" match_probability > 1 as answered from (values {', '.join(map(str, matches))})"
            " as t(left_no, right_no, match_probability)",
        )
        return strongest_chain(engine, spec, 0, start, end)


def test_the_chain_with_the_best_weakest_link_joins_two_records() -> None:
    matches = [(0, 3, 0.6), (0, 1, 0.9), (1, 2, 0.99), (2, 3, 0.8)]
    assert chain(matches, 3, 0) == [
        ChainLink("r3", "r2", 0.8),
        ChainLink("r2", "r1", 0.99),
        ChainLink("r1", "r0", 0.9),
    ]


def test_of_equally_weak_chains_the_shorter_one_counts() -> None:
    assert len(chain([(0, 1, 0.9), (1, 2, 0.9), (0, 2, 0.9)], 0, 2)) == 1


def test_what_people_call_a_match_is_the_strongest_link() -> None:
    assert chain([(0, 1, SAID), (1, 2, 0.9), (0, 2, 0.8)], 0, 2) == [
        ChainLink("r0", "r1", None, answered=True),
        ChainLink("r1", "r2", 0.9),
    ]


def test_what_no_link_joins_has_no_chain() -> None:
    assert chain([(0, 1, 0.9), (2, 3, 0.9)], 0, 2) == []


def test_an_entity_of_too_many_matches_is_not_looked_through() -> None:
    before, entity_chain.MOST_LINKS = entity_chain.MOST_LINKS, 1
    try:
        assert chain([(0, 1, 0.9), (1, 2, 0.9)], 0, 2) == []
    finally:
        entity_chain.MOST_LINKS = before
