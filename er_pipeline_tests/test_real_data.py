import re
from pathlib import Path

import duckdb
import pytest

from er_pipeline.blocking.neighbours.embedding_blocks import find_neighbours
from er_pipeline.blocking.neighbours.encoder_statistics import learn_statistics
from er_pipeline.blocking.neighbours.record_embeddings import embed_records
from er_pipeline.blocking.records.cleaned_records import clean_records
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.terminal.cli import main
from er_pipeline_tests.benchmarks.measuring import show_table

# One declaration per set, as a user would write it. Floors and ceilings stand a little off what was
# measured, so that a change that loses matches or makes many more pairs is seen:
# fake_1000 .908 of 4,583 pairs, febrl3 .999 of 11,012, febrl4 1.000 of 14,093, dblp_acm 1.000 of
# 102,350.
FAKE_1000 = """
  sources: [{path: DATA/fake_1000/records.csv, record_id: id}]
  fields: {first_name: person_name, surname: person_name, dob: date, city: text, email: email}
  strategies:
    email: email
    email_user: email_user(email)
    birth_date: dob
    surname: soundex(surname)
    name_city: ["list_value(soundex(first_name), soundex(surname))", city]
    name_year: ["list_value(first_name, surname)", year(dob)]
    name_month: ["list_value(soundex(first_name), soundex(surname))", "right(dob, 5)"]
    email_start: left(email, 6)
    email_domain: email_domain(email)
    nickname: [nickname(first_name), "left(surname, 2)"]
  training_rules: {same_name: [first_name, surname], same_birth_date: dob}
  truth: {path: DATA/fake_1000/truth.csv}
"""
PERSON_OF_FEBRL = """
  fields:
    given_name: person_name
    surname: person_name
    address_1: address
    suburb: text
    postcode: identifier
    date_of_birth: date
    soc_sec_id: identifier
  strategies:
    soc_sec_id: soc_sec_id
    birth_date: date_of_birth
    full_name: [soundex(given_name), soundex(surname)]
    surname_postcode: [soundex(surname), postcode]
    given_name_postcode: [soundex(given_name), postcode]
    address: address_1
    suburb_street: [suburb, first_word(address_1)]
  training_rules: {same_name: [given_name, surname], same_birth_date: date_of_birth}
"""
FEBRL3 = f"""
  sources: [{{path: DATA/febrl3/records.csv, record_id: id}}]
  {PERSON_OF_FEBRL.strip()}
  truth: {{path: DATA/febrl3/truth.csv}}
"""
FEBRL4 = f"""
  sources: [{{path: DATA/febrl4/left.csv}}, {{path: DATA/febrl4/right.csv}}]
  {PERSON_OF_FEBRL.strip()}
  truth: {{path: DATA/febrl4/truth.csv}}
"""
DBLP_ACM = """
  sources:
    - {name: dblp, path: DATA/dblp_acm/left.csv}
    - {name: acm, path: DATA/dblp_acm/right.csv}
  fields: {title: text, authors: text, venue: text, year: identifier}
  strategies:
    title: title
    title_word: [tokens(title), year]
    author: [tokens(authors), year]
    title_start: qgrams(left(title, 12), 8)
  blocks: {max_size: 60}
  training_rules: {same_title: title, same_authors: [authors, year]}
  comparisons: [title, authors, venue]
  truth: {path: DATA/dblp_acm/truth.csv}
"""


@pytest.mark.parametrize(
    ("dataset", "settings", "n_true", "floor", "ceiling"),
    [
        ("fake_1000", FAKE_1000, 2_031, 0.90, 6_000),
        ("febrl3", FEBRL3, 6_538, 0.995, 15_000),
        ("febrl4", FEBRL4, 5_000, 0.995, 18_000),
        ("dblp_acm", DBLP_ACM, 2_224, 0.995, 130_000),
    ],
    ids=["fake_1000", "febrl3", "febrl4", "dblp_acm"],
)
def test_real_matches_are_among_the_candidate_pairs(
    dataset: str,
    settings: str,
    n_true: int,
    floor: float,
    ceiling: int,
    real_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # where no dagster.yaml is
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    defs, lake = tmp_path / "defs.yaml", tmp_path / "lake"
    head = f"type: er_pipeline.BlockingPipeline\nattributes:\n  dataset: {dataset}\n"
    defs.write_text(head + settings.replace("DATA", str(real_data)))
    code = main(["run", str(defs), "--lake", str(lake)])
    printed = capsys.readouterr()
    assert code == 0, printed.err

    # Counted anew from the catalog and the file of true pairs, by the ids as they were given. The
    # true pairs of a deduplicated set stand in the order of their ids as text, as ours do.
    truth = str(real_data / dataset / "truth.csv")
    with duckdb.connect(str(lake / "catalog.duckdb"), read_only=True) as con:
        con.execute(f"use {dataset}")
        counted = con.execute(
            """
            select count(*), count(distinct (left_source, left_id, right_source, right_id)),
                count(*) filter (where left_source = right_source and left_id >= right_id)
            from unified_pairs
            """
        ).fetchone()
        found = con.execute(
            "select count(*) from unified_pairs semi join read_csv($truth, all_varchar = true)"
            " using (left_id, right_id)",
            {"truth": truth},
        ).fetchone()
        missed = con.execute("select count(*) from missed_matches").fetchone()
        sources = con.execute(
            "select count(*) from cleaned_records group by source order by min(record_no)"
        ).fetchall()
    n_records = [n for (n,) in sources]
    assert counted is not None
    assert found is not None
    assert missed is not None
    n_pairs, n_distinct, n_backward = counted
    (n_found,) = found
    assert (n_distinct, n_backward) == (n_pairs, 0)
    assert n_pairs <= ceiling

    lines = dict(re.findall(r"^([A-Z][\w ]+): +(.+)$", printed.out, re.M))
    n_left, *n_right = n_records
    with capsys.disabled():
        show_table(
            ["set", "left records", "right records", "pairs", "completeness"],
            [
                (
                    *(dataset, n_left, n_right[0] if n_right else None, n_pairs),
                    f"{n_found / n_true:.2%}",
                )
            ],
        )
    assert f"({n_found:,} of {n_true:,} true pairs" in lines["Pairs completeness"]
    assert n_found + missed[0] == n_true
    assert n_found / n_true >= floor


# The lexical defaults alone, no strategy and nothing tuned: each column is a field of the kind that
# its name suggests. Measured: fake_1000 .980 of 4,164 pairs, febrl3 1.000 of 16,509, febrl4 1.000
# of 5,026, dblp_acm 1.000 of 10,145, abt_buy .997 of 10,546. Neighbours by the words of the whole
# record come on top: febrl3 20,885, febrl4 5,268, dblp_acm 11,889, abt_buy 14,816 pairs.
@pytest.mark.parametrize(
    ("dataset", "floor", "ceiling"),
    [
        ("fake_1000", 0.975, 6_500),
        ("febrl3", 0.9995, 17_000),
        ("febrl4", 1.0, 5_100),
        ("dblp_acm", 1.0, 11_000),
        ("abt_buy", 0.995, 11_000),
    ],
)
def test_neighbours_alone_find_real_matches(
    dataset: str,
    floor: float,
    ceiling: int,
    real_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = sorted(file for file in (real_data / dataset).glob("*.csv") if file.name != "truth.csv")
    columns = files[0].read_text("utf-8").splitlines()[0].split(",")
    assert columns[0] == "id"
    fields = {column: column for column in columns[1:] if column != "cluster"}
    spec = PipelineSpec.model_validate(
        {
            "dataset": dataset,
            "sources": [
                {"path": str(file), "record_id": "id", "columns": fields} for file in files
            ],
            "strategies": {},
            "embedding": {"whole_record": False},
        }
    )
    lake = Lake(tmp_path / "lake", dataset)
    with DuckDBEngine(threads=2) as engine:
        clean_records(engine, lake, spec)
    for step in (learn_statistics, embed_records, find_neighbours):
        with DuckDBEngine(threads=2) as engine:
            step(engine, lake, spec)
    with DuckDBEngine() as engine:
        lake.open(engine, "cleaned_records")
        lake.open(engine, "embedding_blocks")
        truth = literal(str(real_data / dataset / "truth.csv"))
        n_pairs, n_found, n_true = engine.row(
            f"""
            with truth as (from read_csv({truth}, all_varchar = true)),
            pairs as (
                select l.record_id as left_id, r.record_id as right_id
                from embedding_blocks as e
                join cleaned_records as l on l.record_no = e.left_no
                join cleaned_records as r on r.record_no = e.right_no
            )
            select (select count(*) from pairs),
                (select count(*) from pairs semi join truth using (left_id, right_id)),
                (select count(*) from truth)
            """
        )
    with capsys.disabled():
        show_table(
            ["set", "pairs", "completeness"], [(dataset, n_pairs, f"{n_found / n_true:.2%}")]
        )
    assert n_found / n_true >= floor
    assert n_pairs <= ceiling
