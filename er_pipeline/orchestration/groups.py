"""Groups: a dataset's assets in three boxes of the UI, closed until somebody opens one."""

from collections.abc import Sequence
from urllib.parse import quote

SOURCES = "sources"
CATALOG = "catalog"


# Stages -> their box. The UI writes into a closed box how many of its assets are made and how many
# failed, but only where the graph stands at 60% of its size or more; at 1440 pixels, beside both of
# its menus, that is as wide as three boxes in a row.
BOXES = {
    SOURCES: "records",
    "declaration": "records",
    "records": "records",
    "blocks": "pairs",
    "training": "pairs",
    "learning": "pairs",
    "pairs": "pairs",
}
LAST_BOX = "results"


def group_of(dataset: str, stage: str) -> str:
    """Name the group of a stage, the box that its assets are in: people_pairs.

    Not people/pairs, though Dagster takes that, too: in 1.13 the page of such a group is empty.
    """
    return f"{dataset}_{BOXES.get(stage, LAST_BOX)}"


def graph_path(path: Sequence[str], table: str = "", stage: str = "") -> str:
    """Write the path of the UI's page that shows a dataset's graph, three boxes in a row.

    path: what the keys of its assets begin with, the dataset's name last.
    table, stage: an asset that the page opens at, beside its facts; its box is open.
    """
    selection = quote(f'key:"{"/".join(path)}/*"', safe="*")
    page = f"/asset-groups~{selection}/"
    if not table:
        return page
    box = quote(f"global@global:{group_of(path[-1], stage)}", safe="")
    return f"{page}{quote('/'.join([*path, table]), safe='')}?expanded={box}"
