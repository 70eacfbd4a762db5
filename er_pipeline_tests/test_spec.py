import re
from pathlib import Path
from typing import Any

import pytest
from dagster._utils.pydantic_yaml import parse_yaml_file_to_pydantic

import er_pipeline
from er_pipeline.blocking.spec import pipeline as spec_module
from er_pipeline.blocking.spec.pipeline import (
    Blocks,
    Checks,
    PipelineSpec,
    Schedule,
    default_training_rules,
    guess_kind,
)
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.errors import SpecError

HEAD = """\
type: er_pipeline.BlockingPipeline
attributes:
  dataset: people
  sources: [{path: people.csv}]
  fields: {first_name: person_name, last_name: person_name, email: email, company: company}
"""


def read(folder: Path, more: str = "", overrides: dict[str, Any] | None = None) -> PipelineSpec:
    file = folder / "defs.yaml"
    file.write_text(HEAD + more)
    return read_spec(file, overrides)


def spec(**settings: Any) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "dataset": "people",
            "sources": [{"path": "people.csv"}],
            "fields": {"name": "text"},
            "strategies": {"name": "name"},
            **settings,
        }
    )


def test_the_defaults_are_those_of_the_seed(tmp_path: Path) -> None:
    people = read(tmp_path)
    assert {s.name: s.expression for s in people.strategy_conjunctions} == {
        "email_exact": "email",
        "email_domain": "email_domain(email)",
        "name_key": "left(last_name, 3) and left(first_name, 1)",
        "soundex": "soundex(last_name)",
        "company_word": "company_word(company)",
        "name_combo": "left(first_name, 2) and left(last_name, 2)",
    }
    assert people.blocks == Blocks(min_size=2, max_size=500, oversized="drop")
    assert people.checks.min_key_coverage == 0.95
    assert (people.checks.max_pairs, people.checks.max_training_pairs) == (20_000_000, 10_000_000)
    assert people.schedule == Schedule(cron="0 2 * * *", timezone="UTC", enabled=True)
    assert people.link_mode == "dedupe"
    assert people.engine == "duckdb"
    assert people.checks == Checks()


def test_the_demo_dataset_says_what_the_defaults_say() -> None:
    file = Path(er_pipeline.__file__).parent / "defs" / "people" / "defs.yaml"
    demo = read_spec(file)
    assert demo.dataset == "people"
    names = [strategy.name for strategy in demo.strategy_conjunctions]
    assert names == [
        "email_exact",
        "email_domain",
        "name_key",
        "soundex",
        "company_word",
        "name_combo",
    ]
    without = demo.model_copy(update={"strategies": None})
    assert [s.expression for s in without.strategy_conjunctions] == [
        s.expression for s in demo.strategy_conjunctions
    ]
    assert (demo.blocks, demo.checks, demo.schedule) == (Blocks(), Checks(), Schedule())


def test_only_the_six_strategies_whose_fields_exist_are_used() -> None:
    names = [
        strategy.name
        for strategy in spec(
            fields={"last_name": "person_name", "email": "email"}, strategies=None
        ).strategy_conjunctions
    ]
    assert names == ["email_exact", "email_domain", "soundex"]


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        (
            "[left(last_name, 3), left(first_name, 1)]",
            ["left(last_name, 3)", "left(first_name, 1)"],
        ),
        ('["left(last_name, 3)", email]', ["left(last_name, 3)", "email"]),
        (
            "[coalesce(email, concat_ws(' ', company, email)), last_name]",
            ["coalesce(email, concat_ws(' ', company, email))", "last_name"],
        ),
        ("['split_part(email, '','', 1)', last_name]", ["split_part(email, ',', 1)", "last_name"]),
        ("left(last_name, 3)", ["left(last_name, 3)"]),
        ("\n      - left(last_name, 3)\n      - first_name", ["left(last_name, 3)", "first_name"]),
    ],
)
def test_a_list_of_keys_needs_no_quotes(tmp_path: Path, written: str, keys: list[str]) -> None:
    (strategy,) = read(tmp_path, f"  strategies:\n    key: {written}\n").strategy_conjunctions
    assert [key.expression for key in strategy.keys] == keys


def test_a_built_in_strategy_is_switched_on_by_name(tmp_path: Path) -> None:
    people = read(
        tmp_path,
        "  strategies: {nickname: true, first_name_soundex: true, soundex: false, mine: email}\n",
    )
    assert {s.name: s.expression for s in people.strategy_conjunctions} == {
        "nickname": "nickname(first_name) and last_name",
        "first_name_soundex": "soundex(first_name)",
        "mine": "email",
    }


@pytest.mark.parametrize(
    ("more", "line", "told"),
    [
        ("  blokcs: {max_size: 3}\n", 6, "unknown setting 'blokcs'; did you mean 'blocks'?"),
        (
            "  blocks:\n    min_size: 2\n    maxsize: 3\n",
            8,
            "blocks.maxsize: unknown setting 'maxsize'; did you mean 'max_size'?",
        ),
        ("  blocks:\n    max_size: many\n", 7, "blocks.max_size: Input should be a valid integer"),
        ("  blocks: {max_size: 1}\n", 6, "greater than or equal to 2"),
        ("  blocks: {oversized: keep}\n", 6, "'keep' is unknown; there are 'drop', 'refine'"),
        ("  checks: {min_key_coverage: 95}\n", 6, "less than or equal to 1"),
        (
            "  strategies:\n    good: email\n    bad: surname\n",
            8,
            "unknown column 'surname'; the fields are first_name, last_name, email, company",
        ),
        ("  strategies:\n    bad:\n      - soundexx(email)\n", 7, "soundexx does not exist"),
        ("  strategies:\n    bad: left(email\n", 7, "is not a SQL expression"),
        ("  strategies: {my name: email}\n", 6, "'my name' is no name here: a letter first"),
        ("  strategies: {Mine: email, mine: company}\n", 6, "two strategies differ in case only"),
        ("  strategies: {}\n", 6, "declare a strategy; write strategies: auto"),
        ("  training_rules:\n    many: tokens(company)\n", 7, "EM needs one key per record"),
        ("  training_rules:\n    bad: surname\n", 7, "unknown column 'surname'"),
        ("  comparisons: [surname]\n", 6, "unknown field 'surname'"),
        ("  expectations:\n    max_null_rate: {surname: 0.1}\n", 7, "unknown field 'surname'"),
        ("  expectations:\n    formats: {email: '('}\n", 7, "not a regular expression"),
        ("  checks:\n    max_pairs_per_strategy: {surname: 3}\n", 7, "unknown strategy 'surname'"),
        ("  schedule: {timezone: Mars/Base}\n", 6, "write one such as Europe/Berlin"),
        ("  schedule: {cron: daily}\n", 6, "must have five parts"),
        ("  truth: {}\n", 6, "truth needs either path or cluster_column"),
        ("  mode: link\n", 6, "link needs two sources; write dedupe"),
        ("  budget: 5\n", 6, "budget: settings stand under this one, as name: value; 5 is none"),
        (
            "  strategies: {mine: email}\n  strategies: auto\n",
            7,
            "strategies stands a second time (first in line 6)",
        ),
        ("  blocks:\n    max_size: 3\n    max_size: 4\n", 8, "first in line 7), and only the last"),
        ("  memory_limit: much\n", 6, "memory_limit: 'much' does not fit: string should match"),
    ],
)
def test_an_error_says_file_line_and_what_to_write(
    tmp_path: Path, more: str, line: int, told: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, more)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'defs.yaml'}:{line}: ")
    assert told in text
    assert (HEAD + more).splitlines()[line - 1].strip() in text


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, "  strategies: {a: surname, b: zip}\n  comparisons: [town]\n")
    for wrong in ("'surname'", "'zip'", "'town'"):
        assert wrong in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"sources": [{}]}, "exactly one of path, database"),
        ({"sources": [{"path": "a.csv", "url": "x", "query": "y"}]}, "found path, url"),
        ({"sources": [{"database": "a.duckdb"}]}, "database and table belong together"),
        ({"sources": [{"path": "a/p.csv"}, {"path": "b/p.csv"}]}, "two sources are called 'p'"),
        ({"mode": "dedupe", "sources": [{"path": "a.csv"}, {"path": "b.csv"}]}, "takes one source"),
        ({"fields": {}}, "no field is declared"),
        ({"fields": {"name": "text", "Name": "text"}}, "differ in case only"),
        ({"fields": {"name": "text", "record_id": "text"}}, "is a column of our own"),
        ({"fields": {"name": "colour"}}, "'colour' is unknown; there are 'person_name'"),
        (
            {"sources": [{"path": "a.csv", "columns": {"a b": "x"}}]},
            "must be letters, digits and _",
        ),
        ({"truth": {"path": "t.csv", "left_source": "s"}}, "belong together"),
        ({"fields": {False: "text"}}, "YAML reads a name here as false; put it in quotes"),
        ({"dataset": "my people"}, "'my people' is no name here: a letter first"),
        ({"threads": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_told(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        spec(**settings)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dataset: people\n", ":1: must begin with `type: er_pipeline.BlockingPipeline`"),
        ("- a\n", ":1: must begin with"),
        (
            "type: er_pipeline.Block\n",
            ":1: must begin with `type: er_pipeline.BlockingPipeline` and `attributes:`; its type"
            " is 'er_pipeline.Block'",
        ),
        ("", ":1: must begin with"),
        ("a: [1\nb: 2\n", ":2: not YAML"),
        ("type: er_pipeline.BlockingPipeline\n", ":1: dataset: Field required"),
        ("type: er_pipeline.BlockingPipeline\nattributes: 3\n", ":2: "),
    ],
)
def test_a_file_that_is_no_dataset_is_told(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_spec(file)
    assert f"{file}{told}" in str(caught.value)


def test_dagster_tells_the_same_with_the_line() -> None:
    wrong = "dataset: people\nsources: [{path: a.csv}]\nshedule: {}\n"
    with pytest.raises(ValueError, match="did you mean 'schedule'") as caught:
        parse_yaml_file_to_pydantic(PipelineSpec, wrong, "defs.yaml")
    assert "shedule at defs.yaml:3" in str(caught.value)


def test_a_missing_or_unreadable_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nothing\.yaml: cannot be read"):
        read_spec(tmp_path / "nothing.yaml")
    (tmp_path / "latin.yaml").write_bytes("naïve".encode("latin-1"))
    with pytest.raises(SpecError, match="is not UTF-8 text"):
        read_spec(tmp_path / "latin.yaml")


def test_the_environment_fills_in_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text(
        HEAD.replace(
            "{path: people.csv}",
            '{url: "postgresql://me:{{ env.TRIAL_WORD }}@{{env.TRIAL_HOST}}/x", query: "from p"}',
        )
    )
    monkeypatch.delenv("TRIAL_WORD", raising=False)
    with pytest.raises(SpecError, match="the environment variable TRIAL_WORD is not set"):
        read_spec(file)
    monkeypatch.setenv("TRIAL_WORD", "s3cret")
    monkeypatch.setenv("TRIAL_HOST", "db")
    assert read_spec(file).sources[0].url == "postgresql://me:s3cret@db/x"


def test_overrides_replace_settings_by_dotted_name(tmp_path: Path) -> None:
    people = read(
        tmp_path,
        "  blocks: {min_size: 3}\n",
        {"blocks.max_size": 300, "checks.max_pairs": 7, "sources.0.path": "b.csv", "threads": 1},
    )
    assert people.blocks == Blocks(min_size=3, max_size=300)
    assert people.checks.max_pairs == 7
    assert people.sources[0].path == "b.csv"
    assert people.threads == 1


def test_a_wrong_override_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"blocks\.max_size: Input should be a valid integer"):
        read(tmp_path, overrides={"blocks.max_size": "many"})
    with pytest.raises(SpecError, match=r"blocks\.maxsize: unknown setting"):
        read(tmp_path, overrides={"blocks.maxsize": 3})


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("first_name", "person_name"),
        ("surname", "person_name"),
        ("Email_Address", "email"),
        ("mobile", "phone"),
        ("tel", "phone"),
        ("hotel", "text"),
        ("company_name", "company"),
        ("org", "company"),
        ("organic", "text"),
        ("date_of_birth", "date"),
        ("dob", "date"),
        ("street_1", "address"),
        ("postcode", "identifier"),
        ("soc_sec_id", "identifier"),
        ("title", "text"),
        ("name", "text"),
    ],
)
def test_a_fields_kind_is_guessed_from_its_name(field: str, kind: str) -> None:
    assert guess_kind(field) == kind


def test_a_declared_kind_wins_over_a_guess_and_mapped_fields_count() -> None:
    source = {"path": "a.csv", "columns": {"email": "mail", "dob": "birth", "nick": None}}
    both = spec(sources=[source], fields={"name": "text", "email": "identifier"})
    assert both.field_kinds == {
        "name": "text",
        "email": "identifier",
        "dob": "date",
        "nick": "text",
    }
    assert both.comparison_fields == list(both.field_kinds)


@pytest.mark.parametrize(
    "kinds",
    [
        {"first_name": "person_name", "last_name": "person_name", "dob": "date", "email": "email"},
        {"title": "text", "authors": "text", "year": "text"},
        {"last_name": "person_name", "city": "text"},
    ],
)
def test_default_training_rules_leave_every_field_free_in_one(kinds: dict[str, str]) -> None:
    people = spec(fields=kinds, strategies={"key": next(iter(kinds))}, training_rules=None)
    rules = people.training_conjunctions
    assert [rule.name for rule in rules] == list(default_training_rules(kinds))
    for field in kinds:
        assert any(field not in rule.source_columns for rule in rules), field


def test_no_more_strategies_are_taken_than_fit_into_a_mask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert spec_module.MAX_STRATEGIES < 63  # bits of a signed 64-bit integer
    monkeypatch.setattr(spec_module, "MAX_STRATEGIES", 2)
    keys = dict.fromkeys(("a", "b", "c"), "name")
    with pytest.raises(ValueError, match="at most 2 strategies fit into one mask"):
        spec(strategies=keys)


def test_a_budget_is_for_every_strategy_or_for_one() -> None:
    assert spec().max_pairs_of("name") is None
    assert spec(checks={"max_pairs_per_strategy": 5}).max_pairs_of("name") == 5
    one = spec(checks={"max_pairs_per_strategy": {"name": 6}})
    assert one.max_pairs_of("name") == 6
    assert one.max_pairs_of("other") is None


def test_two_sources_link_unless_told_otherwise() -> None:
    sources = [{"path": "a.csv"}, {"database": "x.duckdb", "table": "main.b"}]
    assert spec(sources=sources).link_mode == "link"
    assert spec(sources=sources, mode="link_and_dedupe").link_mode == "link_and_dedupe"
    assert spec(sources=sources).source_labels == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("teil_*.csv", "teil"),
        ("kunden-2026 Köln.csv", "kunden_2026_Koln"),
        ("2026.csv", "source_2026"),
    ],
)
def test_a_source_is_named_after_its_file_as_dagster_allows(path: str, label: str) -> None:
    from er_pipeline.blocking.spec.pipeline import Source

    assert Source(path=path).label.lower() == label.lower()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"schedule": {"cron": "30 25 * * *"}}, "'25' is no hour (0 to 23"),
        ({"schedule": {"cron": "0 2 * *"}}, "must have five parts"),
        ({"cleaning": {"phone_region": "UK"}}, "the United Kingdom is GB"),
        ({"cleaning": {"phone_region": "Germany"}}, "two letters of ISO 3166"),
    ],
)
def test_settings_that_cannot_be_are_refused_when_loaded(
    settings: dict[str, Any], told: str
) -> None:
    from er_pipeline.blocking.spec.pipeline import PipelineSpec

    declared = {"dataset": "p", "sources": [{"path": "p.csv"}], "fields": {"last_name": "text"}}
    with pytest.raises(ValueError, match=re.escape(told)):
        PipelineSpec.model_validate({**declared, **settings})
