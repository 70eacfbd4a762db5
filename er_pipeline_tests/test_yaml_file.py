from pathlib import Path

import pytest

from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline_tests.small_spec import HEAD, read_small_spec


@pytest.mark.parametrize(
    ("more", "line", "message"),
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
    tmp_path: Path, more: str, line: int, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read_small_spec(tmp_path, more)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'defs.yaml'}:{line}: ")
    assert message in text
    assert (HEAD + more).splitlines()[line - 1].strip() in text


def test_all_errors_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read_small_spec(tmp_path, "  strategies: {a: surname, b: zip}\n  comparisons: [town]\n")
    for wrong in ("'surname'", "'zip'", "'town'"):
        assert wrong in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset: people\n", ":1: must begin with `type: er_pipeline.BlockingPipeline`"),
        ("- a\n", ":1: must begin with"),
        ("- type\n- attributes\n", ":1: must begin with"),
        ("type\n", ":1: must begin with"),
        ("a type of its own\n", ":1: must begin with"),
        ("5\n", ":1: must begin with"),
        ("type: [a]\n", ":1: must begin with"),
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
def test_a_file_that_is_no_dataset_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_spec(file)
    assert f"{file}{message}" in str(caught.value)


def test_a_missing_or_unreadable_file_is_refused(tmp_path: Path) -> None:
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
    people = read_small_spec(
        tmp_path,
        "  blocks: {min_size: 3}\n",
        {"blocks.max_size": 300, "checks.max_pairs": 7, "sources.0.path": "b.csv", "threads": 1},
    )
    assert people.blocks == Blocks(min_size=3, max_size=300)
    assert people.checks.max_pairs == 7
    assert people.sources[0].path == "b.csv"
    assert people.threads == 1


def test_a_wrong_override_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"blocks\.max_size: Input should be a valid integer"):
        read_small_spec(tmp_path, overrides={"blocks.max_size": "many"})
    with pytest.raises(SpecError, match=r"blocks\.maxsize: unknown setting"):
        read_small_spec(tmp_path, overrides={"blocks.maxsize": 3})


def test_a_setting_that_stands_too_far_left_is_said_to_belong_below_attributes(
    tmp_path: Path,
) -> None:
    with pytest.raises(SpecError) as caught:
        read_small_spec(tmp_path, "matching: true\n")
    assert ":6: matching belongs below attributes: indent it by two blanks" in str(caught.value)
