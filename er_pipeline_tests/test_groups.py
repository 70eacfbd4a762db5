from er_pipeline.orchestration.groups import graph_path, group_of


def test_a_group_is_a_stage_of_one_dataset() -> None:
    assert group_of("people", "blocks") == "people_blocks"


def test_the_page_of_a_graph_shows_one_dataset() -> None:
    assert graph_path("people") == "/asset-groups?asset-selection=key%3A%22people%2F%2A%22"
