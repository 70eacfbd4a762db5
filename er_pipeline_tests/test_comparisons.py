from typing import Any

import duckdb
import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.matching.comparisons import (
    BY_KIND,
    comparison_of,
    comparison_text,
    splink_comparison,
    splink_comparisons,
)
from er_pipeline.matching.em_sessions import levels_of

KINDS = {
    "name": "person_name",
    "firm": "company",
    "street": "address",
    "remark": "text",
    "email": "email",
    "phone": "phone",
    "emails": "emails",
    "phones": "phones",
    "born": "date",
    "no": "identifier",
    "price": "number",
}


def spec_with(comparisons: Any = None) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "dataset": "people",
            "sources": [{"path": "people.csv"}],
            "fields": KINDS,
            "strategies": {"name": "name"},
            "training_rules": {"name": "name"},
            "comparisons": comparisons,
            "matching": True,
        }
    )


def level_of(spec: PipelineSpec, field: str, left: str | None, right: str | None) -> str:
    """Name the level that two values of a field stand on, as DuckDB judges them."""
    comparison = splink_comparison(spec, field)
    cases = "".join(
        f" when {level['sql_condition']} then {i}"
        for i, level in enumerate(comparison["comparison_levels"])
        if level["sql_condition"] != "ELSE"
    )
    columns = ", ".join(
        f'cast({value if name == field else "null"} as varchar) as "{name}_{side}"'
        for name in KINDS
        for side, value in (("l", "$left"), ("r", "$right"))
    )
    with duckdb.connect() as con:
        found = con.execute(
            f"select case{cases} else -1 end from (select {columns})",
            {"left": left, "right": right},
        ).fetchone()
    assert found is not None
    return str(comparison["comparison_levels"][found[0]]["label_for_charts"])


OTHER = "All other comparisons"


@pytest.mark.parametrize(
    ("field", "left", "right", "level"),
    [
        ("name", "smith", "smith", "Exact match on name"),
        ("name", "smith", None, "name is NULL"),
        ("name", "johnson", "johnsen", "jaro_winkler >= 0.92"),
        ("name", "dixon", "dickson", "jaro_winkler >= 0.8"),
        ("name", "smith", "jones", OTHER),
        ("firm", "acme", "acme", "Exact match on firm"),
        ("price", "100", "100", "Exact match on price"),
        ("price", "100", "99", "differ by <= 0.01 of the larger"),
        ("price", "-90", "-100", "differ by <= 0.1 of the larger"),
        ("price", "0", "0.01", OTHER),
        ("price", "100", "many", OTHER),
        ("email", "ann@a.com", "ann@b.org", "same user"),
        ("email", "ann.lee@a.com", "ann.lee1@a.com", "similar"),
        ("email", "ann@a.com", "bob@b.org", OTHER),
        ("phone", "+14155550123", "+14155550132", "edits <= 1"),  # swapped digits are one edit
        ("phone", "+14155550123", "+14155551132", "edits <= 2"),
        ("phone", "+14155550123", "+12025550199", OTHER),
        ("born", "1980-03-12", "1980-03-21", "one edit"),
        ("born", "1980-03-12", "1981-03-11", "two edits"),
        ("born", "1980-03-12", "1980-11-30", "same year"),
        ("born", "1980-03-12", "1975-11-30", OTHER),
        ("no", "12345", "12346", "edits <= 1"),
        ("emails", "a@x.org b@x.org", "b@x.org c@x.org", "a value in common"),
        ("emails", "a@x.org", "b@x.org", OTHER),
        ("phones", "+14155552671 +14155552672", "+14155552672", "a value in common"),
        ("remark", "big red fox den", "red fox den big", "common words >= 0.7"),
        ("remark", "big red fox", "old big red", "common words >= 0.4"),  # 2 of 4
        ("remark", "a a a b", "a c", OTHER),  # a stands once: 1 of 3
        ("remark", "london", "londn", "jaro_winkler >= 0.92"),
        ("remark", "london", "paris", OTHER),
    ],
)
def test_values_are_graded_by_the_kind_of_their_field(
    field: str, left: str, right: str | None, level: str
) -> None:
    assert level_of(spec_with(), field, left, right) == level


def test_every_kind_has_a_comparison_that_splink_takes() -> None:
    from splink import DuckDBAPI, Linker

    spec = spec_with()
    assert {spec.field_kinds[name] for name in KINDS} == set(BY_KIND)
    with duckdb.connect() as con:
        columns = ", ".join(f'null::varchar as "{name}"' for name in KINDS)
        con.execute(f"create table records as select 1 as unique_id, {columns}")
        api = DuckDBAPI(connection=con)
        linker = Linker(
            api.register("records"),
            {"link_type": "dedupe_only", "comparisons": splink_comparisons(spec)},
            log_level="ERROR",
        )
        saved = linker.misc.save_model_to_json()["comparisons"]
    assert [comparison["output_column_name"] for comparison in saved] == list(KINDS)


def test_what_is_declared_overrides_the_kind() -> None:
    spec = spec_with(
        {
            "name": {"levels": "levenshtein", "thresholds": [1, 3], "term_frequency": False},
            "firm": "exact",
            "born": {"sql": ["left(born_l, 7) = left(born_r, 7)"]},
            "remark": {"levels": "jaccard"},
            "phone": True,
        }
    )
    assert spec.comparison_fields == ["name", "firm", "born", "remark", "phone"]
    assert level_of(spec, "name", "smith", "smit") == "levenshtein <= 1"
    assert level_of(spec, "name", "smith", "smxyz") == "levenshtein <= 3"
    assert level_of(spec, "firm", "acme", "acm") == OTHER
    assert level_of(spec, "born", "1980-03-12", "1980-03-29") == "left(born_l, 7) = left(born_r, 7)"
    assert comparison_of(spec, "remark").thresholds == [0.9, 0.7]
    assert comparison_text(spec, "name") == "levenshtein 1, 3"
    assert comparison_text(spec, "phone") == "damerau_levenshtein 1, 2"
    frequency = {
        name: any(
            "tf_adjustment_column" in level for level in levels_of(splink_comparison(spec, name))
        )
        for name in spec.comparison_fields
    }
    assert frequency == {
        "name": False,
        "firm": True,
        "born": False,
        "remark": True,
        "phone": False,
    }


def test_a_condition_on_other_fields_is_a_column_of_the_comparison() -> None:
    spec = spec_with({"name": {"sql": ["NAME_L = firm_r and name_r = firm_l"]}, "firm": {}})
    assert spec.compared_columns == {"name": ("firm", "name"), "firm": ("firm",)}
    conditions = [level["sql_condition"] for level in levels_of(splink_comparison(spec, "name"))]
    assert '"name_l" = "firm_r" AND "name_r" = "firm_l"' in conditions


@pytest.mark.parametrize(
    ("comparisons", "reason"),
    [
        ({"nam": True}, "unknown field 'nam'; did you mean 'name'"),
        ({"name": {"sql": ["nam_l = name_r"]}}, "unknown column.*; did you mean 'name_l'"),
        ({"name": {"sql": ["1 = 1"]}}, "reads no field"),
        ({}, "no field is left to compare"),
    ],
)
def test_a_wrong_comparison_says_what_is_wrong(comparisons: Any, reason: str) -> None:
    with pytest.raises((SpecError, ValueError), match=reason):
        spec_with(comparisons)
