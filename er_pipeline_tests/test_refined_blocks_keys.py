from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.test_refined_blocks import YORK, refine
from er_pipeline_tests.test_refined_blocks_properties import Values, count


def test_given_keys_that_the_strategy_has_already_are_passed_over(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        YORK,
        strategies={"city": "city", "code": "soundex(last)", "both": ["left(city, 1)", "last"]},
        blocks=refine(3, "soundex(last)", "left(city, 2)", ["first", "last"]),
    )
    strategies = people.filter()["strategies"]
    used = {name: [d["key"] for d in c["divisions"]] for name, c in strategies.items()}
    assert used == {
        "city": ["soundex(last)", "first and last"],
        "code": ["left(city, 2)", "first and last"],
        "both": ["left(city, 2)", "first and last"],
    }


# Which key is chosen, where none is given.


def chosen(
    rows: Sequence[Values], kinds: dict[str, str], max_size: int, strategy: str | list[str]
) -> list[str]:
    spec = PipelineSpec.model_validate(
        {
            "dataset": "people",
            "sources": [{"path": "people.csv"}],
            "fields": kinds,
            "strategies": {"s": strategy},
            "training_rules": {"rule": next(iter(kinds))},
            "blocks": refine(max_size),
        }
    )
    with DuckDBEngine(threads=2) as engine:
        _, facts = count(engine, spec, rows, len(rows))
    counts = facts["strategies"]["s"]
    return [division["key"] for division in counts.get("divisions", [])]


def test_the_key_that_keeps_partners_for_the_fewest_pairs_is_chosen() -> None:
    # 60 of one city: sex makes 2 parts, team 6, no 60. Parts of 10 fit, and keep all partners.
    rows = [("york", "mf"[i % 2], f"t{i % 6}", f"{i:02}x") for i in range(60)]
    kinds = {"city": "identifier", "sex": "identifier", "team": "identifier", "no": "identifier"}
    assert chosen(rows, kinds, 10, "city") == ["left(team, 3)"]  # by name among equals
    assert chosen(rows, {**kinds, "team": "person_name"}, 10, "city") == ["left(team, 2)"]


def test_a_key_too_narrow_to_keep_partners_is_not_chosen() -> None:
    # Every tenth record shares its number with another one; the cheapest, but it parts the others.
    rows = [("york", f"t{i % 5}", str(i - (i % 10 == 9))) for i in range(50)]
    kinds = {"city": "identifier", "team": "identifier", "no": "identifier"}
    (key,) = chosen(rows, kinds, 10, "city")
    assert "team" in key
    # Where no other key is left, it is better than nothing.
    (key,) = chosen([(a, None, c) for a, _, c in rows], kinds, 10, "city")
    assert "no" in key


def test_blocks_that_no_key_divides_are_dropped() -> None:
    assert chosen([("york", "x")] * 5, {"city": "text", "same": "text"}, 2, "city") == []
    assert chosen([("york", None)] * 5, {"city": "text", "none": "text"}, 2, "city") == []
    unique = [("york", chr(97 + i) * 3) for i in range(5)]
    assert chosen(unique, {"city": "text", "no": "text"}, 2, "city") == []


def test_keys_of_a_field_that_is_fixed_are_not_chosen() -> None:
    rows = [("lee", f"t{i % 3}") for i in range(9)]
    kinds = {"last": "person_name", "team": "identifier"}
    (key,) = chosen(rows, kinds, 3, "last")
    assert "team" in key
    # Not all of them are known where the field is: a free-mail address has no domain key.
    mails = [(mail,) for mail in ("a@gmail.com", "a@acme.com") for _ in range(3)]
    assert chosen(mails, {"mail": "email"}, 2, "mail") == []
    # A wider key of the strategy's own field leaves its narrower ones to choose.
    names = [("lee" if i % 2 else "lea", None) for i in range(6)]
    assert chosen(names, kinds, 3, "left(last, 2)") == ["last"]


def test_parts_that_can_be_divided_again_count_as_kept_together() -> None:
    # No key alone makes parts of 4: two of them do.
    rows = [("york", f"a{i % 8}", f"b{i // 8 % 8}") for i in range(256)]
    kinds = {"city": "identifier", "team": "identifier", "room": "identifier"}
    first, second = chosen(rows, kinds, 4, "city")
    assert {"team" in first, "team" in second} == {True, False}


def test_noise_that_would_divide_blocks_best_is_passed_over() -> None:
    """Three records a person, in blocks by surname; a batch number parts them at random."""
    random = Random(7)
    rows = []
    for person in range(1500):
        surname, birth = f"s{person % 8}", f"{random.randrange(110):03}"
        for _ in range(3):
            batch = f"{random.randrange(150):03}"
            phone = f"4155{person:06}" if random.random() < 0.75 else None
            rows.append((surname, birth, batch, phone))
    kinds = {"last": "identifier", "birth": "identifier", "batch": "identifier", "tel": "phone"}
    (key,) = chosen(rows, kinds, 100, "last")
    assert "birth" in key
    # Without what parts it from noise, the key with fewer pairs wins.
    kinds.pop("tel")
    (key,) = chosen([row[:3] for row in rows], kinds, 100, "last")
    assert "batch" in key


# The settings.

HEAD = """\
type: er_pipeline.BlockingPipeline
attributes:
  dataset: people
  sources: [{path: people.csv}]
  fields: {last: person_name, city: text}
  strategies: {city: city}
"""


def test_keys_to_divide_by_need_no_quotes(tmp_path: Path) -> None:
    file = tmp_path / "defs.yaml"
    for written in (
        "[left(last, 3), city]",
        '["left(last, 3)", city]',
        "\n      - left(last, 3)\n      - city",
        "\n      - [left(last, 3)]\n      - city",
    ):
        file.write_text(f"{HEAD}  blocks:\n    oversized: refine\n    refine_by: {written}\n")
        by = read_spec(file).refine_conjunctions
        assert by is not None
        assert [key.expression for key in by] == ["left(last, 3)", "city"]
    file.write_text(f"{HEAD}  blocks: {{oversized: refine}}\n")
    assert read_spec(file).refine_conjunctions is None


@pytest.mark.parametrize(
    ("blocks", "line", "message"),
    [
        ("{oversized: split}", 7, "'split' is unknown; there are 'drop', 'refine'"),
        ("{oversized: refine, refine_by: []}", 7, "at least 1 item"),
        ("{refine_by: [last]}", 7, "write oversized: refine"),
        (
            "\n    oversized: refine\n    refine_by:\n      - city\n      - surname",
            11,
            "unknown column 'surname'; the fields are last, city",
        ),
        (
            "\n    oversized: refine\n    refine_by:\n      - tokens(city)",
            10,
            "key 'tokens(city)' is many-valued; a block is divided by keys with one value",
        ),
        ("{oversized: refine, refine_by: [lef(last)]}", 7, "lef does not exist"),
    ],
)
def test_an_error_says_which_key_cannot_divide_blocks(
    tmp_path: Path, blocks: str, line: int, message: str
) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text(f"{HEAD}  blocks: {blocks}\n")
    with pytest.raises(SpecError) as caught:
        read_spec(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert message in str(caught.value)
