"""Rule keys: the keys that rules are made of, and which of them a defs.yaml pins, bans or declares.

Keys are known by their expression, however it is spaced and capitalised.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from er_pipeline.blocking.learning.conjunction_costs import Index, Keys
from er_pipeline.blocking.spec.blocking_section import Learning
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.values.key_choices import KeyChoice, listed_choices

# Words are keys of their own where a field's values have so many of them on average.
WORDS_WORTH_LISTING = 3.0


def open_index(engine: Engine, spec: PipelineSpec, learning: Learning) -> Index:
    """Open the forward index, with the many-valued and the pinned keys it lacks.

    Reads the engine's cleaned_records and key_codes, which gets a column for each pinned key. Makes
    key_list_<i> of each of the keys that were lacking.
    """
    (n_records,) = engine.row("select count(*) from key_codes")
    choices = list(spec.key_choices)
    choices += listed_choices(spec.field_kinds, _wordy_fields(engine, spec))
    known = {plain(choice.expression) for choice in choices}
    for i, keys in enumerate(learning.pin):
        for j, key in enumerate(spec.parse("rule", keys).keys):
            if plain(key.expression) not in known:
                parsed = spec.parse(f"pinned_{i}_{j}", key.expression)
                field = " and ".join(key.source_columns)
                choices.append(KeyChoice(field, len(choices), parsed))
                known.add(plain(key.expression))
    listed: dict[int, str] = {}
    for i in range(len(spec.key_choices), len(choices)):
        table = f"key_list_{i}"
        keyed = choices[i].conjunction.keyed_records(engine, "cleaned_records")
        engine.make_table(
            table,
            "select record_no, source_no,"
            f" cast(dense_rank() over (order by block_key) - 1 as integer) as code_{i}"
            f" from ({keyed})",
        )
        if choices[i].key.is_list:
            listed[i] = table
        else:
            engine.make_table(
                "wider",
                f"select k.*, coalesce(t.code_{i}, -k.record_no - 1)::integer as code_{i}"
                f" from key_codes as k left join {table} as t on t.record_no = k.record_no",
            )
            engine.make_table("key_codes", "select * from wider order by record_no")
    return Index(engine, choices, listed, spec.link_mode, spec.blocks, n_records)


def _wordy_fields(engine: Engine, spec: PipelineSpec) -> set[str]:
    """Return the fields whose values are lists of words."""
    columns = ", ".join(
        f"avg(length({quoted(f)}) - length(replace({quoted(f)}, ' ', '')) + 1)"
        for f in spec.field_kinds
    )
    means = engine.row(f"select {columns} from cleaned_records")
    return {
        field
        for field, mean in zip(spec.field_kinds, means, strict=True)
        if mean is not None and mean >= WORDS_WORTH_LISTING
    }


def pinned_conjunctions(index: Index, spec: PipelineSpec, learning: Learning) -> list[Keys]:
    """Return the rules that must be learned, in their order."""
    places = {plain(choice.expression): i for i, choice in enumerate(index.choices)}
    pinned = []
    for keys in learning.pin:
        members = spec.parse("rule", keys).keys
        pinned.append(tuple(sorted({places[plain(key.expression)] for key in members})))
    return list(dict.fromkeys(pinned))


def declared_conjunctions(index: Index, spec: PipelineSpec) -> list[Keys]:
    """Return the strategies that are conjunctions of known keys: they find what needs no rule."""
    places = {plain(choice.expression): i for i, choice in enumerate(index.choices)}
    found = []
    for strategy in spec.strategy_conjunctions:
        members = [places.get(plain(key.expression)) for key in strategy.keys]
        if None not in members:
            found.append(tuple(sorted({key for key in members if key is not None})))
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Banned:
    """The conjunctions of which a rule may not have all keys, and keys that are no rule alone."""

    sets: tuple[frozenset[int], ...]
    never_alone: frozenset[int] = frozenset()

    @classmethod
    def of(cls, spec: PipelineSpec, learning: Learning, choices: Sequence[KeyChoice]) -> "Banned":
        """Look up what the settings ban."""
        places = {plain(choice.expression): i for i, choice in enumerate(choices)}
        wanted = [
            [plain(key.expression) for key in spec.parse("rule", keys).keys]
            for keys in learning.ban
        ]
        # A key that is never tried need not be banned.
        known = [keys for keys in wanted if all(key in places for key in keys)]
        return cls(
            tuple(frozenset(places[key] for key in keys) for keys in known),
            frozenset(i for i, choice in enumerate(choices) if choice.never_alone),
        )

    def __call__(self, keys: Keys) -> bool:
        """Return whether a conjunction has all keys of a banned one, or is no rule alone."""
        if len(keys) == 1 and keys[0] in self.never_alone:
            return True
        return any(banned.issubset(keys) for banned in self.sets)


def plain(expression: str) -> str:
    """Write an expression without blanks and capitals, except in what stands in quotes."""
    parts = re.split(r"('[^']*')", expression)
    return "".join(p if p.startswith("'") else re.sub(r"\s+", "", p).lower() for p in parts)
