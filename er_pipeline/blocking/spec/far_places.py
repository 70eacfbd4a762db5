"""Far places: addresses that are not read or written, and what to write instead."""

import re

# As `remote_files.py` opens them.
OBJECT_STORES = ("s3", "gs", "gcs", "abfs", "abfss")
OF_AZURE = ("az", "adl", "wasb", "wasbs", "azure")
MOTHERDUCK = re.compile(r"^(duckdb:///)?(md|motherduck):", re.IGNORECASE)
SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
# Of its documentation: the connection is encrypted, and the server's certificate is looked at.
MOTHERDUCK_URL = (
    "postgresql+psycopg://postgres:{{ env.MOTHERDUCK_TOKEN }}"
    "@pg.us-east-1-aws.motherduck.com/my_db?sslmode=verify-full&sslrootcert=system"
)


def motherduck_problem(address: str | None, instead: str) -> str | None:
    """Say why MotherDuck is not reached by md:, and by what it is; None if that is not asked for.

    instead: the setting that takes a URL, such as `url`.
    """
    if not address or not MOTHERDUCK.match(address):
        return None
    return (
        "DuckDB's extension for MotherDuck fetches its own program from api.motherduck.com when it"
        " is loaded, whatever wheel it came in, and nothing is fetched here at run time; use"
        f' MotherDuck\'s endpoint for PostgreSQL instead: {instead}: "{MOTHERDUCK_URL}", with your'
        " region and database"
    )


def store_problem(path: str | None, *, takes_web: bool = True) -> str | None:
    """Say why a path to another machine cannot be used, and which can; None if it can.

    takes_web: whether https:// will do.
    """
    found = SCHEME.match(path or "")
    if not found:
        return None
    scheme = found[1].lower()
    if scheme in OBJECT_STORES or (takes_web and scheme in ("http", "https")):
        return None
    if scheme in OF_AZURE:
        return (
            f"{scheme}:// names no storage account; write abfs://account@container/people.parquet,"
            " or abfss:// for an encrypted connection"
        )
    if scheme == "file":
        return "a file of this machine is named by its path alone: leave file:// out"
    known = ", ".join(f"{name}://" for name in (*OBJECT_STORES, *(["https"] if takes_web else [])))
    return f"{scheme}:// is not known; there are {known}, or a path of this machine"
