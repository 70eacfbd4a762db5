"""Declarations that go wrong, made up: each with what must be said of it."""

from collections.abc import Iterator
from typing import NamedTuple

HEAD = "type: er_pipeline.BlockingPipeline\nattributes:\n"
BASE = (
    "  dataset: people\n"
    "  sources: [{path: people.csv}]\n"
    "  fields: {name: person_name, zip: identifier, born: date}\n"
)
KEYS = "  strategies: {name: name}\n"
RIGHT = ""  # nothing must be said
CONFIG = "check"
RUN = "run"


class Case(NamedTuple):
    """One declaration.

    says: what the answer must hold, `RIGHT` where the declaration is right. command: check, which
    finds it without a run, or run.
    """

    name: str
    text: str | bytes
    says: str
    command: str = CONFIG


def cases() -> list[Case]:
    """List all declarations; their names differ."""
    found = [*_right(), *_syntax(), *_shapes(), *_settings(), *_names(), *_keys(), *_at_run()]
    assert len({case.name for case in found}) == len(found)
    return found


def _of(more: str, keys: str = KEYS) -> str:
    return HEAD + BASE + keys + more


def _right() -> Iterator[Case]:
    for name, text in {
        "plain": _of(""),
        "bom": "\ufeff" + _of(""),
        "crlf": _of("").replace("\n", "\r\n"),
        "json": '{"type": "er_pipeline.BlockingPipeline", "attributes": {"dataset": "people",'
        ' "sources": [{"path": "people.csv"}], "fields": {"name": "person_name"},'
        ' "strategies": {"name": "name"}}}',
        "aliases": HEAD
        + "  dataset: people\n  sources: [&s {path: people.csv, name: a}, {<<: *s, name: b}]\n"
        "  fields: {name: person_name}\n  strategies: {name: name}\n",
        "date_placeholder": _of("  cleaning: {placeholders: [1900-01-01]}\n"),
        "comments": "# above\n" + _of("  # within\n") + "# below\n",
        "document_mark": "---\n" + _of("") + "...\n",
        "folded_text": _of("  description: >\n    two\n    lines\n"),
        "unicode": _of("  description: Ünï çødé 王 🙂\n"),
        "ten_thousand_placeholders": _of(
            f"  cleaning: {{placeholders: [{', '.join(f'p{i}' for i in range(10_000))}]}}\n"
        ),
        "no_for_off": _of("  matching: no\n"),
        "digits_parted": _of("  blocks: {max_size: 1_000}\n"),
        "mode_to_base_8": _of("  lake: {file_mode: 0640}\n"),
        "merged": HEAD
        + "  dataset: people\n  sources: [&s {path: people.csv, name: a}, {<<: [*s], name: b}]\n"
        "  fields: {name: person_name}\n  strategies: {name: name}\n",
        "version": "%YAML 1.1\n---\n" + _of(""),
        "lines_of_old_macs": _of("").replace("\n", "\r"),
        "bom_and_crlf": "\ufeff" + _of("").replace("\n", "\r\n"),
        "last_of_month": _of('  schedule: {cron: "0 2 l * *"}\n'),
        "grams_by_hand": _of(
            "", "  strategies: {g: 'list_transform(range(1, length(name)), i -> name[i:i+1])'}\n"
        ),
    }.items():
        yield Case(f"right_{name}", text, RIGHT)


def _syntax() -> Iterator[Case]:
    nested = "[" * 10_000 + "]" * 10_000
    bomb = "  a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"  {b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for name, text, says in (
        ("empty", "", "must begin with"),
        ("blank", "\n\n  \n", "must begin with"),
        ("null", "~\n", "must begin with"),
        ("list", "- a\n", "must begin with"),
        ("number", "5\n", "must begin with"),
        ("other_type", "type: other.Thing\nattributes: {}\n", "its type is 'other.Thing'"),
        ("type_list", "type: [a]\n", "must begin with"),
        ("open_bracket", _of("  blocks: {max_size: 5\n"), "not YAML"),
        ("open_quote", _of('  description: "open\n'), "not YAML"),
        ("tab", _of("\tblocks: {}\n"), "not YAML"),
        ("bad_indent", _of("   blocks: {}\n"), "not YAML"),
        ("two_documents", _of("") + "---\n" + _of(""), "one dataset per file"),
        ("unknown_alias", _of("  description: *nobody\n"), "not YAML"),
        ("python_tag", _of("  description: !!python/object/apply:os.system [ls]\n"), "not YAML"),
        ("own_tag", _of("  description: !mine x\n"), "not YAML"),
        ("bad_int_tag", _of("  threads: !!int many\n"), "not YAML"),
        ("bad_binary", _of("  description: !!binary 'a'\n"), "not YAML"),
        ("list_as_key", _of("  ? [a, b]\n  : c\n"), "not YAML"),
        ("map_as_key", _of("  ? {a: b}\n  : c\n"), "not YAML"),
        ("nested_brackets", _of(f"  owners: {nested}\n"), "deep within each other"),
        (
            "nested_blocks",
            _of("".join(f"{'  ' * i}a:\n" for i in range(1, 300))),
            "deep within each other",
        ),
        ("circle", _of("  owners: &o [*o]\n"), "contains itself"),
        ("circle_of_maps", _of("  blocks: &b {max_size: *b}\n"), "contains itself"),
        ("whole_circle", "&all\ntype: er_pipeline.BlockingPipeline\nattributes: *all\n", "itself"),
        ("bomb", _of(bomb), "once its aliases"),
        ("merge_bomb", HEAD + _merge_bomb(), "once its aliases"),
        ("million_digits", _of(f"  threads: {'9' * 100_000}\n"), "larger than any number"),
        ("huge_hex", _of(f"  threads: 0x{'f' * 5_000}\n"), "larger than any number"),
        ("tab_in_text", _of("  description: a\tb\n"), "indent with blanks, not tabs"),
        ("path_of_windows", _sources('{path: "C:\\data\\p.csv"}'), "in single quotes"),
        ("base_8", _of("  blocks: {max_size: 0200}\n"), "as 128 (to base 8); write 128"),
        ("base_60", _of("  blocks: {max_size: 1:30}\n"), "as 90 (to base 60); write 90"),
        ("anchor_twice", _of("  owners: [&a team:x, &a team:y, *a]\n"), "second occurrence"),
        ("merged_number", _of("  blocks: {<<: 5}\n"), "mappings for merging"),
        ("field_twice", _of("").replace("zip: id", "zip: text, zip: id"), "stands a second time"),
        ("blank_that_breaks_no_line", _of("\u00a0\u00a0blocks: {}\n"), "unknown word"),
        ("wide_colon", _of("  description\uff1a x\n"), "not YAML"),
        ("version_9", "%YAML 9.9\n---\n" + _of(""), "not YAML"),
        ("control", _of("  description: a\x07b\n"), "not YAML"),
        ("nul_escape", _of('  description: "a\\0b"\n'), "NUL"),
        ("repeated", _of("  blocks: {max_size: 5, max_size: 6}\n"), "stands a second time"),
        ("repeated_section", _of("  blocks: {}\n  blocks: {}\n"), "stands a second time"),
        ("too_large", _of("# " + "x" * 1_100_000 + "\n"), "more than 1,000,000 bytes"),
    ):
        yield Case(f"syntax_{name}", text, says)
    yield Case("syntax_latin", _of("  description: naïve\n").encode("latin-1"), "is not UTF-8")
    yield Case("syntax_utf16", _of("").encode("utf-16"), "is not UTF-8")
    yield Case("syntax_binary", bytes(range(256)) * 40, "is not UTF-8")


def _merge_bomb() -> str:
    lines = ["  a0: &a0 {x: 1}\n"]
    for i in range(1, 40):
        lines.append(f"  a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}, *a{i - 1}]}}\n")
    return "".join(lines)


def _shapes() -> Iterator[Case]:
    for name, text, says in (
        ("no_attributes", "type: er_pipeline.BlockingPipeline\n", "dataset: Field required"),
        ("attributes_number", "type: er_pipeline.BlockingPipeline\nattributes: 3\n", "defs.yaml:2"),
        ("attributes_list", "type: er_pipeline.BlockingPipeline\nattributes: [a]\n", "defs.yaml:2"),
        ("misspelt_top", _of("").replace("attributes", "atributes"), "did you mean 'attributes'"),
        ("word_at_top", _of("") + "blocks: {}\n", "belongs below attributes: indent it"),
        ("sources_text", HEAD + "  dataset: p\n  sources: people.csv\n", "sources: "),
        ("sources_empty", HEAD + "  dataset: p\n  sources: []\n", "at least 1"),
        ("source_text", HEAD + "  dataset: p\n  sources: [people.csv]\n", "sources.0: "),
        ("source_two_places", _sources("{path: a.csv, url: 'x://', query: q}"), "exactly one of"),
        ("source_no_table", _sources("{database: a.duckdb}"), "belong together"),
        ("fields_list", _of("").replace("{name: person_name", "[{name: person_name") + "]", "YAML"),
        ("fields_null", HEAD + "  dataset: p\n  sources: [{path: a.csv}]\n  fields: ~\n", "fields"),
        ("no_fields", HEAD + "  dataset: p\n  sources: [{path: a.csv}]\n", "no field is declared"),
        ("bool_name", _of("  training_rules: {on: name}\n"), "in quotes"),
        ("number_name", _of("  training_rules: {1: name}\n"), "defs.yaml:7"),
        ("strategies_text", _of("", "  strategies: automatic\n"), "neither auto nor a mapping"),
        ("strategy_map", _of("", "  strategies: {a: {key: name}}\n"), "'a' must be a key"),
        ("strategy_null", _of("", "  strategies: {a: ~}\n"), "'a' must be a key"),
        ("budget_number", _of("  budget: 5\n"), "settings stand under this one"),
        ("checks_list", _of("  checks: [a]\n"), "settings stand under this one"),
    ):
        yield Case(f"shape_{name}", text, says)


def _sources(source: str) -> str:
    return HEAD + f"  dataset: p\n  sources: [{source}]\n  fields: {{name: text}}\n"


def _settings() -> Iterator[Case]:
    for name, more, says in (
        ("inf_share", "checks: {min_key_coverage: .inf}", "finite"),
        ("nan_share", "checks: {min_key_coverage: .nan}", "finite"),
        ("inf_encoder", "embedding: {max_pairs_per_record: .inf}", "finite"),
        ("nan_encoder", "embedding: {min_similarity: .nan}", "finite"),
        ("inf_int", "blocks: {max_size: .inf}", "finite"),
        ("inf_budget", "budget: {pairs_per_record: .inf}", "finite"),
        ("huge_float", "budget: {pairs_per_record: 1e999}", "number"),
        ("negative", "checks: {max_pairs: -1}", "greater than or equal to 0"),
        ("huge_int", "checks: {max_pairs: 99999999999999999999}", "larger than any number"),
        ("percent", "checks: {min_key_coverage: 95}", "less than or equal to 1"),
        ("yes_number", "blocks: {max_size: yes}", "true is no number"),
        ("yes_threads", "threads: true", "true is no number"),
        ("no_way", "cleaning: {phone_region: NO}", "YAML reads false here, so put it in quotes"),
        ("placeholder_number", "cleaning: {placeholders: [0]}", "YAML reads 0 here"),
        ("exponent", "blocks: {max_size: 1e3}", "valid integer"),
        ("base_8_of_python", "blocks: {max_size: 0o200}", "valid integer"),
        ("section_of_nothing", "blocks:", "settings stand under this one"),
        ("no_width", "blo\u200bcks: {}", "did you mean 'blocks'"),
        ("text_number", "blocks: {max_size: many}", "valid integer"),
        ("fraction", "blocks: {max_size: 2.5}", "valid integer"),
        ("threads_zero", "threads: 0", "greater than or equal to 1"),
        ("threads_million", "threads: 1000000", "less than or equal to 1024"),
        ("memory_small", "memory_limit: 1MB", "at least 100MB"),
        ("memory_zero", "memory_limit: 0GB", "at least 100MB"),
        ("memory_huge", "memory_limit: 999999999TB", "at most 100TB"),
        ("memory_word", "memory_limit: plenty", "does not fit"),
        ("memory_digits", f"memory_limit: {'9' * 400}GB", "does not fit"),
        ("cron_daily", "schedule: {cron: daily}", "five parts"),
        ("cron_hour", "schedule: {cron: 0 25 * * *}", "'25' is no hour"),
        ("cron_step", "schedule: {cron: '*/0 * * * *'}", "is no minute"),
        ("cron_backwards", "schedule: {cron: 30-10 * * * *}", "is no minute"),
        ("cron_never", "schedule: {cron: 0 2 30 2 *}", "no such day"),
        ("cron_never_two", "schedule: {cron: '0 2 31 4,6 *'}", "no such day"),
        ("cron_list", "schedule: {cron: '1,,2 * * * *'}", "is no minute"),
        ("cron_weekday", "schedule: {cron: 0 2 * * mon#6}", "is no day of the week"),
        ("cron_number", "schedule: {cron: 5}", "valid string"),
        ("zone", "schedule: {timezone: Mars/Base}", "no time zone"),
        ("zone_path", "schedule: {timezone: ../../etc/passwd}", "no time zone"),
        ("region", "cleaning: {phone_region: Germany}", "no phone region"),
        ("regex", "expectations: {formats: {name: '('}}", "not a regular expression"),
        ("unknown_field", "comparisons: [nmae]", "did you mean 'name'"),
        ("unknown_word", "blokcs: {}", "did you mean 'blocks'"),
        ("long_word", f"{'x' * 5_000}: 1", "not YAML"),
        ("escape_word", '"\\e[31mred": 1', "unknown setting"),
        ("variable", "description: '{{ env.NO_SUCH_VARIABLE }}'", "NO_SUCH_VARIABLE is not set"),
        ("refine", "blocks: {refine_by: [name]}", "write oversized: refine"),
        ("mode", "mode: link", "needs two sources"),
    ):
        yield Case(f"setting_{name}", _of(f"  {more}\n"), says)


def _names() -> Iterator[Case]:
    many = ", ".join(f"f{i}: text" for i in range(2_000))
    for name, text, says in (
        ("blank", _of("").replace("dataset: people", "dataset: my people"), "is no name here"),
        ("path", _of("").replace("dataset: people", "dataset: ../up"), "is no name here"),
        ("long", _of("").replace("dataset: people", f"dataset: {'d' * 64}"), "at most 63"),
        ("off", _of("").replace("dataset: people", "dataset: off"), "put it in quotes"),
        ("day", _of("").replace("dataset: people", "dataset: 2026-01-01"), "is no name here"),
        ("other_letters", _of("").replace("{name:", "{größe: text, name:"), "is no name here"),
        ("number", _of("").replace("dataset: people", "dataset: 5"), "valid string"),
        ("sql", _of("").replace("dataset: people", "dataset: 'a; drop'"), "is no name here"),
        ("case", _of("", "  strategies: {A: name, a: zip}\n"), "differ in case only"),
        ("fields_case", _of("").replace("{name:", "{Name: text, name:"), "differ in case only"),
        ("reserved", _of("").replace("{name:", "{record_id: text, name:"), "column of our own"),
        (
            "many_fields",
            HEAD + f"  dataset: p\n  sources: [{{path: a.csv}}]\n  fields: {{{many}}}\n",
            "300 are the most",
        ),
        (
            "many_strategies",
            _of("", f"  strategies: {{{', '.join(f's{i}: name' for i in range(200))}}}\n"),
            "58 are the most",
        ),
    ):
        yield Case(f"name_{name}", text, says)


def _keys() -> Iterator[Case]:
    for name, key, says in (
        ("range", "name || len(range(1000000000))", "'bad'|range() may make 1,000,000,000"),
        ("lpad", "lpad(name, 500000000, 'x')", "lpad() may make 500,000,000"),
        ("repeat", "repeat(repeat(name, 10000), 10000)", "repeat() may make"),
        ("computed", "lpad(name, cast(zip as integer), 'x')", "lpad() may make any number"),
        ("format", "format('{:1000000000}', name)", "format() may make"),
        ("position", "'#1'", "reads no field"),
        ("place", "name || #1", "defs.yaml:"),
        ("random", "name || random()", "same value every night"),
        ("now", "name || now()", "same value every night"),
        ("session", "name || current_user", "same value every night"),
        ("started", "name || pg_postmaster_start_time()", "same value every night"),
        ("setting", "name || current_setting('threads')", "same value every night"),
        ("zone", "cast(born as timestamptz)", "same value on every machine"),
        ("subquery", "name || (select 1)", "computed from one record"),
        ("file", "read_text('/etc/passwd') || name", "does not fit the fields"),
        ("statement", "name; drop table x", "one expression"),
        ("parameter", "name || $1", "holds a parameter"),
        ("deep", "(" * 500 + "name" + ")" * 500, "brackets 500 deep"),
        ("long", "name" + " || name" * 2_000, "2,000 are the most"),
        ("nots", "not " * 400 + "name", "write it flatter"),
        ("open", "left(name", "is not a SQL expression"),
        ("blank", "' '", "reads no field"),
        ("unknown", "nmae", "did you mean 'name'"),
    ):
        quoted = '"' + key.replace('"', '\\"') + '"'
        strategies = f"  strategies:\n    bad: {quoted}\n"
        yield Case(f"key_{name}", _of("", strategies), says.split("|")[-1])
    for name, condition, says in (
        ("random", "name_l = name_r and random() < 0.5", "same value every night"),
        ("place", "name_l = #1", "counts columns"),
        ("unknown", "name_l = town_r", "unknown column"),
    ):
        yield Case(
            f"comparison_{name}",
            _of(f'  matching: true\n  comparisons: {{name: {{sql: ["{condition}"]}}}}\n'),
            says,
        )


def _at_run() -> Iterator[Case]:
    cast = "  strategies: {number: cast(zip as integer)}\n"
    yield Case("run_cast", _of("", cast), "cannot be computed where zip = 'ab12cd'", RUN)
    yield Case("run_missing", _of("").replace("people.csv", "nobody.csv"), "no such file", RUN)
    yield Case("run_column", _of("").replace("born: date", "birth: date"), "no column 'birth'", RUN)
    yield Case("run_right", _of("  schedule: {enabled: false}\n"), RIGHT, RUN)
