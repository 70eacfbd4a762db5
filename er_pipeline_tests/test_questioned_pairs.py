from collections.abc import Callable
from pathlib import Path

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.standing import Standing
from er_pipeline.evaluation.page.page_parts import HIDDEN, Listing, RunOnPage, Section
from er_pipeline.evaluation.page.questioned_pairs import EXPLAINED, questioned_section
from er_pipeline_tests.conftest import Dataset


def section_of(people: Dataset, engine: DuckDBEngine, *withheld: str) -> Section:
    good = [table for table in people.lake.tables() if table not in withheld]
    return questioned_section(RunOnPage(engine, people.lake, people.spec, Standing(good=good), {}))


def test_missed_true_pairs_are_explained_as_in_the_terminal(
    lossy_people: Dataset, engine: DuckDBEngine
) -> None:
    section = section_of(lossy_people, engine)
    assert section.answer.startswith(f"{EXPLAINED} true pairs that are not found")
    for part in section.parts:
        assert isinstance(part, Listing)
        assert "Cheapest change: " in part.about
        said = {row[0]: row[1:] for row in part.grid.rows}
        assert {"first_name", "strategy mail", "made by", "score of email", "entity"} <= set(said)


def test_no_value_is_shown_where_none_may_be(lossy_people: Dataset, engine: DuckDBEngine) -> None:
    spec = lossy_people.spec.changed({"report": {"record_values": False}})
    hidden = Dataset.of(spec, lossy_people.root)
    shown, without = (section_of(people, engine) for people in (lossy_people, hidden))
    for one, other in zip(shown.parts, without.parts, strict=True):
        assert isinstance(one, Listing)
        assert isinstance(other, Listing)
        values = {cell for row in one.grid.rows[:4] for cell in row[1:3] if len(cell) > 3}
        assert values
        for value in values:
            assert value not in str(other)
        assert HIDDEN in str(other)


def test_without_truth_pairs_in_doubt_are_explained(
    lossy_people: Dataset, engine: DuckDBEngine
) -> None:
    section = section_of(lossy_people, engine, "missed_matches")
    assert "weak bridge" in section.answer or section.answer.startswith("No pair")
    assert all("entity" in str(part) for part in section.parts)


def test_where_a_table_is_withheld_nothing_is_known(
    dataset: Callable[..., Dataset], engine: DuckDBEngine, tmp_path: Path
) -> None:
    few = [{"id": "1", "name": "ann"}, {"id": "2", "name": "ann"}]
    people = dataset(few, strategies={"name": "name"})
    people.make("unified_pairs")
    assert section_of(people, engine, "unified_pairs").answer.startswith("Not known")
    assert section_of(people, engine).answer.startswith("No pair is known to be missed")
