import re
from pathlib import Path

import dagster_webserver
import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline.orchestration.groups import BOXES, LAST_BOX, graph_path, group_of
from er_pipeline.terminal.widest_flows import DECLARATIONS

IN_A_ROW = ("records", "pairs", "results")
# Pixels beside both menus of the UI, in a window of 1,440.
WIDTH = 900
# As the UI's source has them, which is installed with it: how wide a graph is, and from which scale
# on a closed box says how many of its assets failed.
IN_THE_UI = {
    "box": r"const ASSET_NODE_WIDTH = (\d+)",
    "between": r"horizontal: \{\\n.*?ranksep: (\d+)",
    "margin": r"const MARGIN = (\d+)",
    "scale": r"const MINIMAL_SCALE = ([\d.]+)",
}


def test_a_group_is_a_box_of_one_dataset() -> None:
    assert group_of("people", "blocks") == group_of("people", "pairs") == "people_pairs"
    assert group_of("people", "sources") == "people_records"
    assert group_of("people", "evaluation") == group_of("people", "catalog") == "people_results"


def test_the_boxes_of_every_dataset_stand_in_a_row_of_three(tmp_path: Path) -> None:
    """A fourth column would make the UI leave out how many assets failed."""
    assert list(dict.fromkeys([*BOXES.values(), LAST_BOX])) == list(IN_A_ROW)
    for declared in DECLARATIONS:
        spec = PipelineSpec.model_validate(declared)
        assets = BlockingPipeline(spec).definitions(tmp_path).resolve_asset_graph()
        columns = {
            key: IN_A_ROW.index(str(assets.get(key).group_name).removeprefix(f"{spec.dataset}_"))
            for key in assets.get_all_asset_keys()
        }
        back = [
            f"{key.path[-1]} reads {parent.path[-1]}"
            for key in columns
            for parent in assets.get(key).parent_keys
            if columns[parent] > columns[key]
        ]
        # The one line back joins two boxes that a line joins already.
        assert set(back) <= {"second_pass_pairs reads first_pass_matches"}


def test_three_boxes_in_a_row_are_shown_large_enough_to_say_what_failed() -> None:
    build = Path(dagster_webserver.__file__).parent / "webapp" / "build"
    sources = [path.read_text("utf-8") for path in build.rglob("*.js.map")]
    found = {
        name: next((float(m[1]) for text in sources if (m := re.search(pattern, text))), None)
        for name, pattern in IN_THE_UI.items()
    }
    if None in found.values():
        pytest.skip(f"the UI's source is not installed, or written otherwise: {found}")
    box, between, margin, least = (float(value or 0) for value in found.values())

    def scale(boxes: int) -> float:
        return WIDTH / (2 * margin + boxes * box + (boxes - 1) * between)

    assert scale(len(IN_A_ROW)) >= least
    assert scale(len(IN_A_ROW) + 1) < least


def test_the_page_of_a_graph_shows_one_dataset() -> None:
    assert graph_path(["people"]) == "/asset-groups~key%3A%22people%2F*%22/"


def test_the_page_of_a_graph_opens_at_a_table() -> None:
    assert graph_path(["people"], "filtered_blocks", "blocks") == (
        "/asset-groups~key%3A%22people%2F*%22/people%2Ffiltered_blocks"
        "?expanded=global%40global%3Apeople_pairs"
    )
