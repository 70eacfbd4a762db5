"""--select: the part of the graph that a run makes."""

import re
import warnings
from collections.abc import Collection
from difflib import get_close_matches

import dagster as dg

from er_pipeline.terminal.exit_codes import UsageError


def selected_assets(job: dg.JobDefinition, dataset: str, selection: str | None) -> set[dg.AssetKey]:
    """Turn --select into the keys of the tables to make; None selects all of them.

    dataset: its name, with the prefix of its keys. selection: a table, a list a,b or a Dagster
    selection, in which tables may stand by their names.
    Raises UsageError if it selects nothing of the dataset.
    """
    graph = job.asset_layer.asset_graph
    known = {key.path[-1]: key for key in graph.materializable_asset_keys}
    if selection is None:
        return set(known.values())
    names = [name.strip() for name in selection.split(",")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # of Dagster's own making
            wanted = (
                dg.AssetSelection.assets(*(known[name] for name in names))
                if all(name in known for name in names)
                else dg.AssetSelection.from_string(_with_keys(selection, dataset, known))
            )
            # Tables that one step writes together are made together.
            keys = wanted.required_multi_asset_neighbors().resolve(graph)
    except dg.DagsterError as error:
        raise UsageError(_nothing_selected(selection, names, known)) from error
    chosen = set(keys) & set(known.values())
    if not chosen:
        raise UsageError(_nothing_selected(selection, names, known))
    return chosen


def _nothing_selected(selection: str, names: list[str], known: Collection[str]) -> str:
    unknown = next((name for name in names if name not in known), "")
    near = get_close_matches(unknown, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ";"
    return f"--select {selection!r} selects nothing{hint} tables are {', '.join(sorted(known))}"


def _with_keys(selection: str, dataset: str, tables: Collection[str]) -> str:
    """Let a Dagster selection name tables as people do: +unified_pairs is that table's key."""
    return re.sub(
        r'(?<![\w"/:])(\w+)(?![\w"/:(])',
        lambda found: f'key:"{dataset}/{found[1]}"' if found[1] in tables else found[1],
        selection,
    )
