from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.spec.kinds import default_training_rules
from er_pipeline.blocking.spec.reserved_fields import RESERVED_FIELDS
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError, SpecError
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.evaluation.dry_run import count_dataset
from er_pipeline.evaluation.recall import estimate_recall
from er_pipeline.flow import flow, open_lake
from er_pipeline_tests.conftest import Dataset, Rows, made_up_people
from er_pipeline_tests.small_spec import HEAD, small_spec

KINDS = {
    "first_name": "person_name",
    "last_name": "person_name",
    "email": "email",
    "phone": "phone",
    "company": "company",
    "birth_date": "date",
    "city": "text",
}
# Names that columns of our own, of DuckDB and of Splink have, of aliases and of words of SQL.
AWKWARD = (
    ("value", "text", "n", "a", "b", "l", "r"),
    ("pairs", "reason", "rule", "strategy", "key", "code_0", "weight"),
    ("select", "order", "from", "values", "lambda", "all", "current_date"),
    ("block_no", "rowid", "text_no", "text_hash", "first_no", "n_records", "key_0"),
    ("member_0", "member_1", "similarity", "match_key", "lookup_sound_0_0", "x", "v0"),
)
COMPARED = ("code", "n", "text", "join_key_l", "match_key", "gamma_city", "match_probability")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return made_up_people(tmp_path_factory.mktemp("rows"), 300)


def people_called(folder: Path, rows: Rows, names: Sequence[str], **settings: Any) -> Dataset:
    """Make the same people under other names of their fields, in the same order."""
    renamed = [
        {"id": str(i), **{new: row[old] for old, new in zip(KINDS, names, strict=True)}}
        for i, row in enumerate(rows)
    ]
    first, last, email, _, company, born, city = map(quoted, names)
    declared: dict[str, Any] = {
        "fields": dict(zip(names, KINDS.values(), strict=True)),
        "strategies": {
            "sound": f"soundex({last})",
            "names": [f"left({last}, 3)", f"left({first}, 1)"],
            "words": f"tokens({company})",
            "user": f"email_user({email})",
        },
        "training_rules": {"name": [first, last], "nick": f"nickname({first})", "born": born},
        "blocks": {"oversized": "refine", "refine_by": [city, born], "max_size": 20},
        "embedding": {"k": 3},
        **settings,
    }
    return Dataset(folder, [renamed], **declared)


def outcome(people: Dataset) -> dict[str, Any]:
    """Give what cleaning, blocks, training blocks and pairs come to."""
    values = list(people.clean()["values_of_field"].values())
    training = people.make("em_training_blocks")["rules"]
    people.make("key_codes")
    people.pair()
    return {
        "values": values,
        "training": [
            (name, rule["pairs"], rule["largest_block"], rule["expected_match_share"])
            for name, rule in training.items()
        ],
        "blocks": people.rows("filtered_blocks", "strategy, block_size, record_no"),
        "codes": people.rows("key_codes"),
        "pairs": people.rows("unified_pairs"),
    }


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, rows: Rows) -> dict[str, Any]:
    found = outcome(people_called(tmp_path_factory.mktemp("plain"), rows, list(KINDS)))
    assert len(found["pairs"]) > 300
    assert None not in [share for *_, share in found["training"]]
    return found


@pytest.mark.parametrize("names", AWKWARD)
def test_fields_of_any_allowed_name_give_the_same(
    tmp_path: Path, rows: Rows, plain: dict[str, Any], names: Sequence[str]
) -> None:
    assert outcome(people_called(tmp_path, rows, names)) == plain


def test_fields_of_any_allowed_name_are_matched_the_same(tmp_path: Path, rows: Rows) -> None:
    def matched(names: Sequence[str]) -> tuple[Any, ...]:
        folder = tmp_path / names[0]
        folder.mkdir()
        people = people_called(folder, rows, names, matching={"max_u_pairs": 20_000})
        facts = people.match()
        with DuckDBEngine(threads=2) as engine:
            recall = estimate_recall(
                engine,
                people.lake,
                people.spec,
                max_records=50,
                max_comparisons=1_000_000,
                min_probability=0.9,
                seed=1,
            )
        sample = people.rows("recall_sample")
        return facts["scored"], facts["stored"], facts["weights"], recall["pairs_scored"], sample

    usual = matched(list(KINDS))
    assert usual[1] > 50
    assert matched(COMPARED) == usual


@pytest.mark.parametrize("names", [AWKWARD[0], AWKWARD[3]])
def test_a_dry_run_counts_fields_of_any_allowed_name(
    tmp_path: Path, rows: Rows, names: Sequence[str]
) -> None:
    def reported(called: Sequence[str], folder: Path) -> list[str]:
        folder.mkdir()
        people = people_called(folder, rows, called)
        scratch = open_lake(folder / "scratch", people.spec)
        counted = count_dataset(people.spec, flow(people.spec), scratch)
        lines = [str(line) for line in counted]
        return lines[: 2 + len(KINDS)]

    usual = reported(list(KINDS), tmp_path / "plain")
    for old, new in zip(KINDS, names, strict=True):
        usual = [line.replace(f"{old:<24}", f"{new:<24}") for line in usual]
    assert reported(names, tmp_path / "awkward") == usual


@pytest.mark.parametrize("name", sorted(RESERVED_FIELDS))
@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_a_reserved_field_is_refused_with_the_cure(tmp_path: Path, name: str, spelled: Any) -> None:
    name = spelled(name)
    file = tmp_path / "defs.yaml"
    file.write_text(HEAD.replace("{first_name: person_name,", f"{{{name}: text,"))
    with pytest.raises(SpecError) as caught:
        read_spec(file)
    assert f"{file}:5: fields.{name}: field '{name}' has the name" in str(caught.value)
    assert f"rename it: columns: {{my_{name}: {name}}}" in str(caught.value)
    file.write_text(HEAD.replace("people.csv", f"people.csv, columns: {{{name}: number}}"))
    with pytest.raises(SpecError) as caught:
        read_spec(file)
    assert f"{file}:4: sources.0.columns.{name}: field" in str(caught.value)
    assert f"rename it: columns: {{my_{name}: number}}" in str(caught.value)
    file.write_text(HEAD.replace("people.csv", f"people.csv, columns: {{my_{name}: {name}}}"))
    assert f"my_{name}" in read_spec(file).field_kinds


def test_the_frequency_of_another_field_is_reserved() -> None:
    small_spec(fields={"name": "text", "tf_city": "text"})
    with pytest.raises(ValueError, match=r"columns: \{my_tf_City: tf_City\}"):
        small_spec(fields={"name": "text", "city": "text", "tf_City": "text"})


def test_columns_of_a_source_may_have_reserved_names(tmp_path: Path) -> None:
    rows: Rows = [
        {"id": "1", "record_no": "9", "source": "crm", "rowid": "5", "_no": "a"},
        {"id": "2", "record_no": "8", "source": "erp", "rowid": "6", "_no": "b"},
    ]
    declared = {"fields": {"my_no": "text"}, "strategies": {"no": "my_no"}}
    people = Dataset(tmp_path, [rows], training_rules=declared["strategies"], **declared)
    columns = {"my_no": "record_no", "origin": "source", "row": "rowid", "tag": "_no"}
    source = {"path": "people.csv", "record_id": "id", "columns": columns}
    people.spec = people.spec.changed({"sources": [source]})
    people.clean()
    found = people.rows("cleaned_records", "record_no, record_id, source, my_no, origin, row, tag")
    assert found == [
        (0, "1", "people", "9", "crm", "5", "a"),
        (1, "2", "people", "8", "erp", "6", "b"),
    ]


@pytest.mark.parametrize("column", ["rowid", "n", "_no", "_n"])
def test_ids_are_checked_in_a_column_of_any_name(tmp_path: Path, column: str) -> None:
    def read(*ids: str | None) -> None:
        rows = [{column: text, "other": "x", "name": "ann"} for text in ids]
        declared = {"fields": {"name": "text"}, "strategies": {"name": "name"}}
        people = Dataset(tmp_path, [rows], training_rules=declared["strategies"], **declared)
        source = {"path": "people.csv", "record_id": column, "columns": {"row": "other"}}
        people.spec = people.spec.changed({"sources": [source]})
        people.clean()

    read("7", "8")
    with pytest.raises(InputError, match=r"1 records have no id .* \(first: record 2 of"):
        read("7", None)
    with pytest.raises(InputError, match=r"'7' \(2 times\)"):
        read("7", "8", "7")


@pytest.mark.parametrize("field", ["order", "values", "lambda", "all", "null", "rowid"])
def test_default_training_rules_quote_a_word_of_sql(field: str) -> None:
    rules = default_training_rules({field: "text", "name": "person_name"})
    assert rules == {"same_name": ["name"], f"same_{field}": rules[f"same_{field}"]}
    spec = small_spec(fields={field: "text", "name": "person_name"}, training_rules=rules)
    assert spec.training_conjunctions[1].source_columns == (field,)
    assert {choice.field for choice in spec.key_choices} == {field, "name"}
