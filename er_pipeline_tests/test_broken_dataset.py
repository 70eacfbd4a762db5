from pathlib import Path

import dagster as dg

from er_pipeline.orchestration.broken_dataset import TABLE, broken_dataset
from er_pipeline_tests.small_spec import HEAD


def broken(folder: Path, text: str, taken: set[str]) -> dg.Definitions:
    file = folder / "customers" / "defs.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return broken_dataset(file, "defs.yaml:3: is \x1b[31mwrong", taken)


def names(definitions: dg.Definitions) -> list[str]:
    return [key.path[0] for key in definitions.resolve_asset_graph().get_all_asset_keys()]


def test_it_is_named_as_declared_or_by_its_folder(tmp_path: Path) -> None:
    assert names(broken(tmp_path, HEAD, set())) == ["people"]
    assert names(broken(tmp_path, HEAD, {"people"})) == ["customers"]
    assert names(broken(tmp_path, "a: [", set())) == ["customers"]
    assert names(broken(tmp_path, HEAD, {"people", "customers"})) == ["customers_2"]


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    taken: set[str] = set()
    found = [names(broken(tmp_path, HEAD, taken)) for _ in range(3)]
    assert found == [["people"], ["customers"], ["customers_2"]]


def test_the_reason_is_shown_without_what_steers_a_terminal(tmp_path: Path) -> None:
    graph = broken(tmp_path, HEAD, set()).resolve_asset_graph()
    shown = graph.get(dg.AssetKey(["people", TABLE])).description or ""
    assert "defs.yaml:3: is \\x1b[31mwrong" in shown
    assert "\x1b" not in shown
