"""Contents: what the catalog shows of a dataset, as a place outside gets it."""

from collections.abc import Sequence
from dataclasses import dataclass

from er_pipeline.blocking.tables.errors import SinkError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.stamps import digest, read_stamp


@dataclass(frozen=True)
class Content:
    """One table to write.

    sql: gives its rows as people read them, ids as in the source and strategies by name. stamp: the
    same for the same rows, whichever night made them.
    """

    table: str
    sql: str
    stamp: str


def contents_of(lake: Lake, tables: Sequence[str]) -> list[Content]:
    """Return what the catalog shows of some tables, all of one run.

    Raises SinkError if one is not shown, or is withheld: a place never gets tables of two runs.
    """
    published = lake.published()
    for table in tables:
        if why := published["withheld"].get(table):
            raise SinkError(f"left as it was, since {table} is withheld: {why}")
        if table not in published["views"]:
            raise SinkError(
                f"left as it was, since the catalog does not show {table}; run the whole dataset"
            )
    contents = []
    for table in tables:
        sql, read = published["views"][table], published["reads"][table]
        shape = sql
        stamps = {}
        for name, version in read.items():
            noted = read_stamp(lake.path(name, version))
            stamps[name] = noted.value if noted else version
            shape = shape.replace(version, stamps[name])  # another night's folder, the same query
        contents.append(Content(table, sql, digest([shape, stamps])))
    return contents
