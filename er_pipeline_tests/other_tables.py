"""Tables of other sorts than people, as strangers bring them, written as CSV from a seed.

Each writer takes a folder, a number of records and a seed, and gives the files it wrote: one for
each source. Every file has the columns id and `CLUSTER`, the truth: equal values are one thing.

- agencies: places that four agencies register, most columns filled by one of them only
- citations: reference lists, with clusters of up to 300 records
- publications: the same facts in varying columns
- editions: one short text column, two files to be linked
- many_fields: a person's dozen among 150 columns
- songs: five sources, a file each
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from er_pipeline_tests.other_tables_agencies import write_agencies
from er_pipeline_tests.other_tables_draws import CLUSTER
from er_pipeline_tests.other_tables_fields import write_fields
from er_pipeline_tests.other_tables_names import write_editions
from er_pipeline_tests.other_tables_papers import write_citations, write_publications
from er_pipeline_tests.other_tables_songs import write_songs

__all__ = ["CLUSTER", "WRITERS"]

WRITERS: Mapping[str, Callable[[Path, int, int], list[Path]]] = {
    "agencies": write_agencies,
    "citations": write_citations,
    "publications": write_publications,
    "editions": write_editions,
    "many_fields": write_fields,
    "songs": write_songs,
}
