"""The page keys.md: the functions that keys may call, each with an example that was run."""

from collections.abc import Iterator, Sequence

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.values.key_functions import KEY_FUNCTIONS, KeyFunction
from er_pipeline.blocking.values.key_parser import parse_conjunction
from er_pipeline.terminal.list_items import list_item

INTRODUCTION = """\
# Keys

Records are compared if they share a key. A key is an expression in DuckDB's SQL over the clean
fields: a field alone, or anything that DuckDB can compute of fields, such as `left(last_name, 3)`.
Besides DuckDB's own functions it may call those below. They may be nested, as in
`soundex(first_word(last_name))`. A record whose key is NULL or blank has no key.

A key gives the same for the same record every night and on every machine, so functions of the time,
of chance or of the session (`now()`, `random()`, `current_user`), columns by their place (`#1`) and
times with a zone are refused. So is a key that may make more than 10,000 characters or elements of
one value, such as `lpad(name, 500000)`. A key that cannot be computed for a value stops the run
with the strategy, the key and the value; `try_cast(zip as integer)` gives such a record no key.
"""
CONJUNCTIONS = """\
## Conjunctions

A list of keys is a conjunction: two records share it if all of its keys are equal. At most one of
them may give several keys per record, as `tokens`, `qgrams`, `double_metaphone` and `cologne` do.

```yaml
strategies:
  email: email                                           # one key
  name_key: [left(last_name, 3), left(first_name, 1)]    # both must be equal
  name_words: tokens(company)                            # any word in common
```

The block keys of a record with the first name john, the last name smith, and acme tools as company:

| conjunction | block keys |
|---|---|
"""
FIELDS = {"first_name": "john", "last_name": "smith", "company": "acme tools"}
CONJUNCTION_EXAMPLES = (
    ("left(last_name, 3)", "left(first_name, 1)"),
    ("last_name", "first_name"),
    ("soundex(last_name)", "tokens(company)"),
)


def keys_page() -> str:
    """Write the page, with every example computed anew."""
    with DuckDBEngine(threads=1) as engine:
        functions = "".join(f"{text}\n" for text in _functions(engine))
        conjunctions = "\n".join(_conjunctions(engine))
    return f"{INTRODUCTION}\n## Functions\n\n{functions}\n{CONJUNCTIONS}{conjunctions}\n"


def block_keys(engine: Engine, keys: Sequence[str], fields: dict[str, str]) -> list[str]:
    """Compute the block keys that a record with these fields gets of a conjunction."""
    values = ", ".join(f"{literal(text)} as {quoted(name)}" for name, text in fields.items())
    engine.make_table(
        "example_records",
        f"select 0 as record_no, 'a' as record_id, 'people' as source, 0 as source_no, {values}",
    )
    conjunction = parse_conjunction("example", keys, list(fields))
    rows = engine.rows(conjunction.keyed_records(engine, "example_records"))
    return sorted(str(row[-1]) for row in rows)


def example_of(engine: Engine, function: KeyFunction) -> list[str]:
    """Compute the keys that a function gives of the values of its example."""
    fields = {
        name: value
        for name, value in zip(function.arguments, function.example.arguments, strict=True)
        if isinstance(value, str)
    }
    arguments = [
        name if isinstance(value, str) else str(value)
        for name, value in zip(function.arguments, function.example.arguments, strict=True)
    ]
    return block_keys(engine, [f"{function.name}({', '.join(arguments)})"], fields)


def _functions(engine: Engine) -> Iterator[str]:
    for function in KEY_FUNCTIONS.values():
        values = (
            repr(value) if isinstance(value, str) else str(value)
            for value in function.example.arguments
        )
        keys = ", ".join(f"`{key}`" for key in example_of(engine, function))
        yield list_item(
            f"`{function.signature}`: {function.about}",
            f"`{function.name}({', '.join(values)})` gives {keys}.",
        )


def _conjunctions(engine: Engine) -> Iterator[str]:
    for keys in CONJUNCTION_EXAMPLES:
        found = ", ".join(f"`{key}`" for key in block_keys(engine, keys, FIELDS))
        written = f"[{', '.join(keys)}]"
        yield f"| `{written}` | {found.replace('|', chr(92) + '|')} |"
