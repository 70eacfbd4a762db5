import json
from pathlib import Path

import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.linked_nights import LinkedNights, sure

DEFS = """\
type: er_pipeline.BlockingPipeline
attributes:
  dataset: people
  sources: [{path: people.csv, record_id: id}]
  fields: {name: text}
  strategies: {name: name}
  training_rules: {name: name}
  matching: {threshold: 0.9}
"""

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def lake(tmp_path: Path) -> list[str]:
    """Two nights: a joins b and c, and d is gone; the arguments that name the dataset."""
    nights = LinkedNights(tmp_path / "lake")
    nights.night("a b c d", sure("b-c"))
    nights.night("a b c", sure("a-b", "b-c"))
    (tmp_path / "defs.yaml").write_text(DEFS)
    (tmp_path / "people.csv").write_text("id,name\na,x\n")
    return [str(tmp_path / "defs.yaml"), "--lake", str(tmp_path / "lake")]


def test_an_entity_is_shown_with_its_records_and_its_past(
    lake: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["entity", *lake, "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == ["Entity 2 has 3 records:", "  a:a", "  a:b", "  a:c"]
    past = [line.split("  ", 4)[-1].strip() for line in lines[6:]]
    assert past[0].endswith("0 -> 2  minted (first run, a:b)")
    assert past[1].endswith("1 -> 0  merged into 2 (pair gained, a:a)")
    assert past[-1].endswith("2 -> 3  grew by 1 record of 1 (pair gained, a:a)")


def test_a_retired_id_shows_what_it_resolves_to(
    lake: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["entity", *lake, "1"]) == 0
    shown = capsys.readouterr().out
    assert "Entity 1 is retired; it resolves to 2:\n  a:a  entity 2\n" in shown
    assert main(["entity", *lake, "3"]) == 0
    assert "Entity 3 is retired; none of its records is left." in capsys.readouterr().out


def test_an_entity_is_found_by_a_record_of_it(
    lake: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for record in ("c", "a:c"):
        assert main(["entity", *lake, "--record", record, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["entity_id"], found["in_use"], found["resolves_to"]) == (2, True, [2])
        assert [record["record_id"] for record in found["records"]] == ["a", "b", "c"]
        assert [event["event"] for event in found["events"]][:1] == ["minted"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["9"], "no entity has ever had the id 9; the ids go to 3"),
        (["--record", "zz"], "no record 'zz'"),
        ([], "name one entity"),
        (["1", "--record", "a"], "name one entity"),
    ],
)
def test_what_is_not_there_is_named(
    lake: list[str], asked: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["entity", *lake, *asked]) == 2
    assert said in capsys.readouterr().err


def test_a_lake_without_entities_says_what_to_do(
    lake: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["entity", lake[0], "1", "--lake", str(tmp_path / "none")]) == 1
    assert "has no entities in the lake" in capsys.readouterr().err
