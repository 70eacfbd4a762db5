"""Reserved fields: names that a field may not have, since other columns of a table have them.

Our own SQL names what stands beside fields with a leading _, which no field has, wherever it can.
"""

from collections.abc import Collection

RESERVED_FIELDS = frozenset(
    {
        # columns of cleaned_records, which every table speaks of records by
        "record_no",
        "record_id",
        "source",
        "source_no",
        # columns of cleaned_records that come from the settings `truth` and `embedding`
        "true_cluster",
        "user_vector",
        # the key of a record in every table of blocks
        "block_key",
        # the column that DuckDB's reader of parquet adds
        "file_row_number",
        # columns of Splink's pairs are called <field>_l and <field>_r, and two are join_key_l and
        # join_key_r
        "join_key",
    }
)
# Splink counts how frequent the values of a field are in a column of this name and the field's.
FREQUENCY_PREFIX = "tf_"


def is_reserved(name: str, fields: Collection[str]) -> bool:
    """Return whether a name belongs to a column that may stand beside the fields.

    fields: all fields; tf_city is reserved where there is a field city.
    """
    lower = name.lower()
    counted = lower.removeprefix(FREQUENCY_PREFIX)
    return lower in RESERVED_FIELDS or (
        counted != lower and counted in {field.lower() for field in fields}
    )
