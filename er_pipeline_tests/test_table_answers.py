from pathlib import Path

import pytest

from er_pipeline.blocking.tables.runs import run
from er_pipeline.evaluation.table_answers import COUNTED, answer_of
from er_pipeline.flow import flow, open_lake
from er_pipeline.terminal.widest_flows import widest_flows
from er_pipeline_tests.learned_people import made_up

# Handed from step to step, or read by nobody but the next one: their rows are all there is to say.
PLAIN = {"weak_labels", "encoder_statistics", "record_embeddings"}


def test_every_table_that_people_see_answers_its_question() -> None:
    seen = {table.name for steps in widest_flows() for step in steps for table in step.assets}
    assert {table for table in seen if answer_of(table) is COUNTED} <= PLAIN


@pytest.mark.parametrize(
    ("table", "facts", "rows", "said"),
    [
        (
            "cleaned_records",
            {"records_of_source": {"a": 2, "b": 1}, "rejected_rows": 1},
            3,
            "3 records of 2 sources; 1 row cannot be read.",
        ),
        ("rejected_records", {}, 0, "Every row of the sources was read."),
        (
            "dropped_blocks",
            {
                "strategies": {
                    "email": {
                        "dropped_blocks": {"below_min_size": 4, "oversized": 1},
                        "dropped_pairs": {"below_min_size": 0, "oversized": 10},
                    }
                }
            },
            5,
            "5 blocks dropped (4 below min size, 1 oversized), which had 10 pairs.",
        ),
        ("em_model", {"levels": {}, "unusable": "no pairs."}, 0, "The model cannot be used: no p"),
        ("matches", {"matches": 1, "candidates": 4}, 2, "1 match among 4 candidate pairs (25.00%)"),
        ("matches", {"unscored": True}, 0, "No pair is scored"),
        ("pair_changes", {"since": "", "gained": 0, "lost": 0}, 0, "There is no earlier good run"),
        ("entity_cuts", {}, 0, "No match had to be cut."),
        (
            "missed_matches",
            {"true_pairs": 9, "missed": 3, "causes": {"no_key": 1, "keys_differ": 2}},
            3,
            "3 of 9 known matches are not found, 2 of them because: keys differ.",
        ),
    ],
)
def test_an_answer_says_what_came_out(
    table: str, facts: dict[str, object], rows: int, said: str
) -> None:
    assert answer_of(table).sentence(facts, rows).startswith(said)


def test_every_table_of_a_run_that_learns_and_matches_makes_its_sentence(tmp_path: Path) -> None:
    people = made_up(tmp_path, 300)
    spec = people.spec(matching=True)
    steps = flow(spec)
    lake = open_lake(people.lake.root, spec)
    facts = {step.name: of_step for step, of_step in run(steps, lake, threads=1)}
    assert {"blocks_train", "matches"} <= {table.name for step in steps for table in step.assets}
    for step in steps:
        for table in step.assets:
            for rows in (0, 3):
                assert answer_of(table.name).sentence(facts[step.name], rows)
