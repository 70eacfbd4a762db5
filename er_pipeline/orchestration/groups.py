"""Groups: a dataset's assets by stage, one box each in the UI until it is opened."""

from urllib.parse import quote

SOURCES = "sources"
CATALOG = "catalog"


def group_of(dataset: str, stage: str) -> str:
    """Name the group of a stage: people_blocks.

    Not people/blocks, though Dagster takes that, too: in 1.13 the page of such a group is empty.
    """
    return f"{dataset}_{stage}"


def graph_path(dataset: str) -> str:
    """Write the path of the UI's page that shows a dataset's graph, a box per stage."""
    selection = f'key:"{dataset}/*"'
    return f"/asset-groups?asset-selection={quote(selection, safe='')}"
