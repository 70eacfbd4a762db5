"""The other tables: what the benchmark of every set relies on."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from er_pipeline_tests.other_people import HOUSEHOLD_KINDS
from er_pipeline_tests.other_tables import CLUSTER, WRITERS
from er_pipeline_tests.other_tables_agencies import OWN, SHARED
from er_pipeline_tests.other_tables_draws import Row
from er_pipeline_tests.other_tables_fields import N_FIELDS
from er_pipeline_tests.other_tables_papers import LARGEST_CLUSTER

N_RECORDS = 1_500
N_FILES = {"editions": 2, "songs": 5}
every_table = pytest.mark.parametrize("name", WRITERS)
Table = dict[str, list[Row]]


def read(files: list[Path]) -> Table:
    """Give the rows of each file by its name."""
    table = {}
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            table[path.stem] = list(csv.DictReader(file))
    return table


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    folder = tmp_path_factory.mktemp("other_tables")
    return {name: read(write(folder / name, N_RECORDS, 1)) for name, write in WRITERS.items()}


def true_pairs(table: Table) -> Iterator[tuple[Row, Row]]:
    """Give the pairs of rows that are one thing, with their file in the column `file`."""
    things = defaultdict(list)
    for file, rows in table.items():
        for row in rows:
            things[row[CLUSTER]].append({**row, "file": file})
    for same in things.values():
        yield from combinations(same, 2)


def share_alike(pairs: list[tuple[Row, Row]], column: str) -> float:
    """Share of the pairs with both values in which they are equal."""
    filled = [(left[column], right[column]) for left, right in pairs if left[column]]
    alike = [left == right for left, right in filled if right]
    return sum(alike) / max(1, len(alike))


@every_table
def test_files_have_an_id_and_the_truth_and_the_records_asked_for(
    tables: dict[str, Table], name: str
) -> None:
    files = tables[name]
    assert len(files) == N_FILES.get(name, 1)
    assert sum(map(len, files.values())) == N_RECORDS
    columns = {tuple(row) for rows in files.values() for row in rows}
    assert len(columns) == 1
    assert {"id", CLUSTER} < set(columns.pop())
    for rows in files.values():
        assert len({row["id"] for row in rows}) == len(rows)
        assert all(row[CLUSTER] for row in rows)


@every_table
def test_a_seed_gives_the_same_bytes_and_another_seed_other_rows(tmp_path: Path, name: str) -> None:
    first, again, other = (
        [path.read_bytes() for path in WRITERS[name](tmp_path / str(i), 60, seed)]
        for i, seed in enumerate([3, 3, 4])
    )
    assert first == again
    assert all(ours != theirs for ours, theirs in zip(first, other, strict=True))


@every_table
@pytest.mark.parametrize("n_records", [2, 7])
def test_a_handful_of_records_works(tmp_path: Path, name: str, n_records: int) -> None:
    files = read(WRITERS[name](tmp_path / "new folder", n_records, 5))
    assert sum(map(len, files.values())) == n_records


def test_agencies_fill_columns_of_their_own(tables: dict[str, Table]) -> None:
    rows = tables["agencies"]["agencies"]
    columns = [column for column in rows[0] if column not in ("id", CLUSTER)]
    assert 25 <= len(columns) <= 35
    for row in rows:
        filled = {column for column in columns if row[column]}
        assert filled <= {*SHARED, *OWN[row["Source"]]}


def test_places_match_mostly_across_agencies_and_are_written_differently(
    tables: dict[str, Table],
) -> None:
    pairs = list(true_pairs(tables["agencies"]))
    assert 0.1 < share_alike(pairs, "Source") < 0.5
    across = [(left, right) for left, right in pairs if left["Source"] != right["Source"]]
    within = [(left, right) for left, right in pairs if left["Source"] == right["Source"]]
    for column in ("Site name", "Address"):
        assert share_alike(across, column) < 0.2
        assert share_alike(within, column) > 0.4
    assert share_alike(across, "Phone") > 0.6


def test_citations_have_a_few_large_clusters(tables: dict[str, Table], tmp_path: Path) -> None:
    rows = tables["citations"]["citations"]
    sizes = Counter(Counter(row[CLUSTER] for row in rows).values())
    assert max(sizes) == N_RECORDS // 5
    assert sizes[1] > 0.4 * sizes.total()
    assert len(sizes) > 8  # of many sizes
    [many] = read(WRITERS["citations"](tmp_path, 5 * LARGEST_CLUSTER, 2)).values()
    assert max(Counter(row[CLUSTER] for row in many).values()) == LARGEST_CLUSTER


def test_citations_of_a_paper_are_rarely_the_same(tables: dict[str, Table]) -> None:
    pairs = list(true_pairs(tables["citations"]))
    for column in ("author", "title", "venue"):
        assert 0.01 < share_alike(pairs, column) < 0.4


def test_a_fact_stands_in_several_columns(tables: dict[str, Table]) -> None:
    rows = tables["publications"]["publications"]
    titled = {row[CLUSTER]: row["author"] for row in rows if row["author"]}
    in_other = [row for row in rows if row["editor"] and row["editor"] == titled.get(row[CLUSTER])]
    assert in_other
    assert sum(" / " in row["title"] for row in rows) > 0.05 * len(rows)
    for column in ("journal", "booktitle", "series", "note"):
        venues = [row for row in rows if "Conf" in row[column] or "Proc" in row[column]]
        assert len(venues) > 0.02 * len(rows), column


def test_each_name_of_the_second_edition_has_one_partner_spelt_otherwise(
    tables: dict[str, Table],
) -> None:
    left, right = tables["editions"]["left"], tables["editions"]["right"]
    assert len(left) == 5 * len(right)
    assert len({row["title"] for row in left}) == len(left)
    partners = {row[CLUSTER]: row["title"] for row in left}
    assert len({row[CLUSTER] for row in right}) == len(right)
    assert [row for row in right if row["title"] == partners[row[CLUSTER]]] == []
    n_kept = sum(
        bool(set(row["title"].lower().split()) & set(partners[row[CLUSTER]].lower().split()))
        for row in right
    )
    assert 0.6 < n_kept / len(right) < 0.95


def test_noise_says_nothing_among_150_fields(tables: dict[str, Table]) -> None:
    rows = tables["many_fields"]["many_fields"]
    columns = [column for column in rows[0] if column not in ("id", CLUSTER)]
    assert len(columns) == N_FIELDS
    assert set(HOUSEHOLD_KINDS) < set(columns)
    pairs, strangers = (
        list(true_pairs(tables["many_fields"])),
        list(pairwise(rows)),
    )
    for column in set(columns) - set(HOUSEHOLD_KINDS):
        expected = pytest.approx(share_alike(strangers, column), abs=0.1)
        if sum(bool(row[column]) for row in rows) > len(rows) / 2:
            assert share_alike(pairs, column) == expected, column
    assert share_alike(pairs, "birth_date") > 0.8


def test_songs_match_across_sources_and_now_and_then_within(tables: dict[str, Table]) -> None:
    pairs = list(true_pairs(tables["songs"]))
    assert 0.01 < share_alike(pairs, "file") < 0.25
    assert 0.3 < share_alike(pairs, "title") < 0.7
    assert share_alike(pairs, "length") < 0.3
    charts = tables["songs"]["charts"]
    untold = [row for row in charts if not row["artist"]]
    assert sum(" - " in row["title"] for row in untold) > 0.5 * len(untold)
    radio = tables["songs"]["radio"]
    assert sum(not row["year"] for row in radio) > 0.6 * len(radio)
