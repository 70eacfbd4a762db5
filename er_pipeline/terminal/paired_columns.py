"""Paired columns: which columns of several tables are one field, by name, meaning and values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from er_pipeline.blocking.records.column_guesses import ColumnGuess
from er_pipeline.blocking.records.table_look import TableLook
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.values.folded_text import fold, words_of

# Columns of two tables whose values are the same this often are one field, whatever their names.
SHARED_VALUES = 0.2
# The same, where they look like different kinds.
MOSTLY_SHARED = 0.5
# Of the words that either column has, so many must stand in both: no value may, in two shops.
SHARED_WORDS = 0.2
# A few words in common, such as those of colours, say nothing.
LEAST_WORDS = 10
# Kinds of which a table seldom has two columns that mean different things.
ONLY_KINDS = ("email", "phone", "company", "full_name", "address")
# The next best partner must be worse by so much, or which one is meant is not clear.
CLEARLY_BETTER = 1.5


@dataclass
class GuessedTable:
    """One table with the guess of every column, and the names of its fields.

    record_id: None if no column can be one. pairings: field -> why its column is that field, where
    its values alone say so.
    """

    look: TableLook
    label: str
    record_id: str | None
    id_evidence: str
    guesses: Sequence[ColumnGuess]
    fields: dict[str, ColumnGuess]
    pairings: dict[str, str] = field(default_factory=dict)


def join_fields(engine: Engine, tables: Sequence[GuessedTable]) -> dict[str, list[str]]:
    """Keep the fields that all tables have, under one name; return label -> columns left out."""
    if len(tables) == 1:
        return {}
    first, *others = tables
    for table in others:
        for name in [name for name in table.fields if name not in first.fields]:
            partner = _same_values(engine, first, table, name)
            if partner is not None:
                table.fields[partner[0]] = table.fields.pop(name)
                table.pairings[partner[0]] = partner[1]
        for pair in (_alike, _only_ones):
            for own, name, evidence in list(pair(first, table)):
                table.fields[name] = table.fields.pop(own)
                table.pairings[name] = evidence
    common = [name for name in first.fields if all(name in table.fields for table in others)]
    left_out = {}
    for table in tables:
        left_out[table.label] = [g.column for n, g in table.fields.items() if n not in common]
        table.fields = {name: table.fields[name] for name in common}
    for name in common:
        kinds = [table.fields[name].kind for table in tables]
        concept = first.fields[name].concept
        if len(set(kinds)) > 1 and not (concept and concept.kind in kinds):
            general = "text" if "text" in kinds else kinds[0]  # it fits both
            first.fields[name] = replace(first.fields[name], kind=general)
    return left_out


def _same_values(
    engine: Engine, first: GuessedTable, table: GuessedTable, name: str
) -> tuple[str, str] | None:
    """Find the field of the first table whose values a column of another repeats; and say why."""
    column = table.fields[name]
    best: tuple[float, str] | None = None
    for other, guess in first.fields.items():
        if other in table.fields:
            continue
        own, theirs = (
            f"select distinct lower(trim({quoted(c)})) as v from {t} where trim({quoted(c)}) <> ''"
            for c, t in ((column.column, table.look.table), (guess.column, first.look.table))
        )
        (n_same,) = engine.row(f"select count(*) from (({own}) intersect ({theirs}))")
        (n_least,) = engine.row(
            f"select least((select count(*) from ({own})), (select count(*) from ({theirs})))"
        )
        share = n_same / max(1, n_least)
        least = SHARED_VALUES if guess.kind == column.kind else MOSTLY_SHARED
        if share >= least and (best is None or share > best[0]):
            best = (share, other)
    if best is None:
        return None
    share, other = best
    return other, f"{share:.0%} of its values are those of {first.fields[other].column}"


def _alike(first: GuessedTable, table: GuessedTable) -> Iterator[tuple[str, str, str]]:
    """Pair columns that are left by the words of their values, where it is clear which are meant.

    Yields the field of the table, that of the first table, and the evidence.
    """
    own = _words(table, [name for name in table.fields if name not in first.fields])
    theirs = _words(first, [name for name in first.fields if name not in table.fields])
    shares = {
        (a, b): len(own[a] & theirs[b]) / len(own[a] | theirs[b]) for a in own for b in theirs
    }
    for (a, b), share in shares.items():
        rivals = [s for (x, y), s in shares.items() if (x == a) != (y == b)]
        if share >= SHARED_WORDS and share >= CLEARLY_BETTER * max(rivals, default=0):
            column = first.fields[b].column
            yield a, b, f"a guess: {share:.0%} of its words and those of {column} are the same"


def _only_ones(first: GuessedTable, table: GuessedTable) -> Iterator[tuple[str, str, str]]:
    """Pair the only column of a kind that is left in either table, as `_alike` does.

    Two systems may write the same phone number in two ways, and share hardly a customer.
    """
    for kind in ONLY_KINDS:
        own = [n for n, g in table.fields.items() if n not in first.fields and g.kind == kind]
        theirs = [n for n, g in first.fields.items() if n not in table.fields and g.kind == kind]
        if len(own) == len(theirs) == 1:
            what = kind.replace("_", " ")
            column = first.fields[theirs[0]].column
            yield own[0], theirs[0], f"a guess: like {column}, the only {what} column that is left"


def _words(table: GuessedTable, names: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """Return the words of columns that have enough of them, of those that begin with a letter."""
    samples = {column.name: column.sample for column in table.look.columns}
    found = {
        name: frozenset(
            word
            for value in samples[table.fields[name].column]
            for word in words_of(fold(value))
            if len(word) > 1 and word[0].isalpha()
        )
        for name in names
    }
    return {name: words for name, words in found.items() if len(words) >= LEAST_WORDS}
