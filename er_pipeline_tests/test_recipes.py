"""Every recipe and every query of the pages is run as it stands, on a dataset that was matched."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import duckdb
import pytest

from er_pipeline.terminal.docs import DOCS
from er_pipeline_tests.pages import blocks_of, pages
from er_pipeline_tests.projects import GENERATED, HEAD, Project

RECIPES = blocks_of((DOCS / "recipes.md").read_text("utf-8"), "python")
# What a recipe begins with -> the package that it needs, besides those of every install.
NEEDS = {"import polars": "polars", ".pl()": "polars", "pyspark": "pyspark"}


@pytest.fixture(scope="module")
def matched(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("matched")
    project = Project(folder, folder / "defs.yaml", folder / "lake")
    rules = "training_rules: {same_name: [first_name, last_name], same_email: email}"
    assert rules in GENERATED
    settings = GENERATED.replace(rules, "matching: {recall: false}")
    project.defs.write_text(HEAD + settings + "  checks: {max_coverage_lost: 1}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DAGSTER_HOME", raising=False)
        assert project.run() == 0
    return project


def cook(project: Project, recipe: str) -> dict[str, Any]:
    """Run a recipe on the tables of a project; return what it has made."""
    for words, package in NEEDS.items():
        if words in recipe and not is_installed(package):
            pytest.skip(f"{package} is not installed")
    here = recipe.replace("/data/lake/customers", f"{project.lake}/people")
    here = here.replace("/data/lake", str(project.lake)).replace("customers", "people")
    made: dict[str, Any] = {}
    exec(compile(here, "recipe", "exec"), made)
    return made


def is_installed(package: str) -> bool:
    try:  # by its name: pyspark-client brings the module, too, but no Spark
        return bool(distribution(package))
    except PackageNotFoundError:
        return False


def recipe(words: str) -> str:
    (found,) = (block for block in RECIPES if words in block)
    return found


def test_duckdb_gives_pairs_and_entities_as_frames(matched: Project) -> None:
    made = cook(matched, recipe("entities.merge"))
    assert len(made["whole"]) == 400
    assert made["pairs"]["strategies"].map(len).min() >= 2


def test_pandas_opens_the_files_as_they_are(matched: Project) -> None:
    made = cook(matched, recipe("import pandas"))
    shown = {(left, right) for left, right, *_ in matched.catalog()["matches"]}
    assert set(zip(made["matches"]["left_id"], made["matches"]["right_id"], strict=True)) == shown
    assert shown


def test_polars_opens_the_files_as_they_are(matched: Project) -> None:
    pairs = cook(matched, recipe("import polars"))["pairs"]
    assert len(pairs) == len(matched.catalog()["unified_pairs"])
    assert pairs["left_id"].null_count() == 0


def test_polars_reads_the_catalog(matched: Project) -> None:
    counted = cook(matched, recipe(".pl()"))["per_strategy"]
    assert "email_exact" in counted["strategies"].to_list()


def test_spark_opens_the_files_as_they_are(
    matched: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    made = cook(matched, recipe("SparkSession"))
    assert made["pairs"].count() == len(matched.catalog()["unified_pairs"])
    made["spark"].stop()


def test_splink_scores_our_pairs_as_we_do_and_draws_them(
    matched: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = cook(matched, recipe("from splink"))
    ours, differs = (
        made["con"]
        .execute(
            f"""select count(*), max(abs(s.match_probability - m.match_probability))
        from '{matched.lake}/people/matches/current/*.parquet' as m
        left join {made["scored"].physical_name} as s
            on m.left_no = least(s.record_no_l, s.record_no_r)
            and m.right_no = greatest(s.record_no_l, s.record_no_r)"""
        )
        .fetchone()
    )
    assert ours == len(matched.catalog()["matches"]) > 0
    assert differs < 1e-9
    for name in ("waterfall", "comparisons", "match_weights"):
        assert "first_name" in (tmp_path / f"{name}.html").read_text("utf-8")


def test_no_recipe_is_untried() -> None:
    tried = ("entities.merge", "import pandas", "import polars", ".pl()", "SparkSession", "splink")
    assert [block for block in RECIPES if not any(words in block for words in tried)] == []


def test_queries_of_the_pages_run(matched: Project) -> None:
    texts = [path.read_text("utf-8") for path in pages().values()]
    blocks = [block for text in texts for block in blocks_of(text, "sql")]
    assert len(blocks) >= 2
    for block in blocks:
        here = block.replace("/data/lake", str(matched.lake)).replace("customers", "people")
        with duckdb.connect() as con:
            attach, *queries = [part for part in here.split(";") if part.strip()]
            con.execute(attach)
            for query in queries:
                con.execute(query)
