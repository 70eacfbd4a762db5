"""A YAML document: its value and the place of every part, however hostile the file.

A declaration is a page or two. Whatever could keep a program busy for hours (aliases of aliases, a
list within itself, ten thousand brackets) is refused with its line before it is unfolded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.tables.printable import printable, shown, without_secrets

# Ten thousand placeholders are 200 kB; a second is enough to read so much.
MOST_BYTES = 1_000_000
# Settings stand at most seven deep; PyYAML fails near two hundred.
MOST_DEPTH = 30
# Values once every alias is unfolded, as a list of ten thousand placeholders has them, ten times.
MOST_VALUES = 100_000
# What DuckDB and the other tools take as a whole number: 64 bits.
MOST_INTEGER = 2**63 - 1
SHOWN_OF_LINE = 120
# Settings where somebody may have written a secret by mistake: their lines are not shown.
SECRETS = frozenset({"webhook", "webhook_env", "password_env"})
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Reads dates as the texts that they are, as Dagster does."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


# libyaml's, where PyYAML was built with it: ten times as fast. Its errors are worded otherwise, so
# it reads only where none is shown.
_FAST: Any = getattr(yaml, "CSafeLoader", _Loader)


@dataclass(frozen=True)
class YamlDocument:
    """value: as YAML reads it. tree: the same as nodes that know their places. lines: the text."""

    path: Path
    value: Any
    tree: yaml.Node | None
    lines: Sequence[str]

    def mark_of(self, place: Sequence[str | int]) -> yaml.Mark | None:
        """Find where a setting stands; where it is missing, what it should stand under."""
        node, mark = self.tree, self.tree.start_mark if self.tree else None
        for part in place:
            if isinstance(node, yaml.MappingNode):
                found = [pair for pair in node.value if pair[0].value == str(part)]
                if not found:  # missing, or the name of a choice that pydantic has made
                    continue
                mark = found[0][0].start_mark
                node = found[0][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                if part >= len(node.value):
                    break
                node = node.value[part]
                mark = node.start_mark
            else:
                break
        return mark

    def error(self, place: Sequence[str | int], message: str) -> str:
        """Write what is wrong at a place: file and line, the message, the line and a caret."""
        mark = self.mark_of(place)
        lines = [""] * len(self.lines) if SECRETS & set(place) else self.lines
        return pointed_out(self.path, mark, message, lines)


def read_document(path: Path) -> YamlDocument:
    """Read a file of one YAML document.

    Raises SpecError that says file and line if it cannot be read, is no YAML, or is of a size and
    shape that no declaration has.
    """
    text = _read_text(path)
    lines = text.splitlines()
    try:
        _check_depth(text, path, lines)
        loader = _Loader(text)
        tree = loader.get_single_node()
        if tree is not None:
            _check_size(tree, path, lines)
            _check_scalars(tree, path, lines)
            _check_repeated(tree, path, lines)  # before << is filled in with what it names
            _check_bases(tree, path, lines)
        value = None if tree is None else loader.construct_document(tree)
    except yaml.YAMLError as error:
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        mark = getattr(error, "problem_mark", None)
        if "single document" in str(getattr(error, "context", "")):
            reason = "a second document begins here; keep one dataset per file, without ---"
        elif "but found '<block" in reason:
            reason = "this line begins in another column than those beside it; indent them alike"
        elif reason == "mapping values are not allowed here":
            reason = (
                "there is a second `: ` here; indent a setting of its own as those beside it, or"
                " put a text that holds one in quotes"
            )
        elif "'\\t'" in reason:
            reason = f"{reason}; indent with blanks, not tabs"
        elif "unknown escape character" in reason:
            reason = f"{reason}; put a text with a \\ in it, such as a path, in single quotes"
        raise SpecError(pointed_out(path, mark, f"not YAML: {reason}", lines)) from error
    except (ValueError, TypeError, OverflowError, ArithmeticError, AttributeError) as error:
        # PyYAML lets errors of Python through: !!int abc, !!set [a], a hash that is none
        mark = None if tree is None else _first_wrong(tree)
        message = f"not YAML: {str(error).splitlines()[0][:200]}; write the value plainly"
        raise SpecError(pointed_out(path, mark, message, lines)) from error
    except RecursionError as error:
        raise SpecError(f"{path}: settings stand too deep within each other") from error
    return YamlDocument(path, value, tree, lines)


def check_read_as_written(path: Path) -> None:
    """Find a setting that YAML reads otherwise than it is written, without a word.

    Of one that stands twice it takes the last; 0200 is 128, and 1:30 is 90.
    Raises SpecError that says both lines. A file that is no YAML is left to who reads it.
    """
    try:
        text = path.read_text("utf-8")
        try:
            trees = list(yaml.compose_all(text, _FAST))
        except yaml.YAMLError:  # the two do not refuse quite the same
            trees = list(yaml.compose_all(text, _Loader))
    except (OSError, UnicodeError, yaml.YAMLError):
        return
    for tree in trees:
        _check_repeated(tree, path, text.splitlines())
        _check_bases(tree, path, text.splitlines())


def _check_repeated(tree: yaml.Node, path: Path, lines: Sequence[str]) -> None:
    for node in _nodes(tree):
        first: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else []:
            name, line = str(key.value), key.start_mark.line + 1
            if name in first and name != "<<":
                message = (
                    f"{name} stands a second time (first in line {first[name]}), and only the last"
                    " one would count; remove one"
                )
                raise SpecError(pointed_out(path, key.start_mark, message, lines))
            first[name] = line


def _check_bases(tree: yaml.Node, path: Path, lines: Sequence[str]) -> None:
    """Refuse numbers that YAML reads to base 8 or 60; the mode of files is written to base 8."""
    modes = {
        id(value)
        for node in _nodes(tree)
        if isinstance(node, yaml.MappingNode)
        for key, value in node.value
        if key.value == "file_mode"
    }
    for node in _scalars(tree):
        if node.tag not in NUMBERS or id(node) in modes or len(node.value) > 70:
            continue
        digits = node.value.replace("_", "").lstrip("+-")
        base = 60 if ":" in digits else 8 if digits.isdigit() and digits[0] == "0" else 10
        if base != 10 and digits.strip("0"):
            read = _Loader("").construct_object(node)
            message = (
                f"YAML reads {shown(node.value, 40)} as {read} (to base {base}); write {read}, or"
                " put a text in quotes"
            )
            raise SpecError(pointed_out(path, node.start_mark, message, lines))


def pointed_out(path: Path, mark: Any, message: str, lines: Sequence[str]) -> str:
    """Write an error: file:line: message, then the line and a caret below the place.

    mark: one of PyYAML's, of which it has two classes, or None.
    """
    number = min(mark.line + 1, max(1, len(lines))) if mark else 1
    line = lines[number - 1] if lines else ""
    column = mark.column if mark and mark.line + 1 == number else len(line) - len(line.lstrip())
    return f"{path}:{number}: {message}{_line_with_caret(line, column)}"


def _line_with_caret(line: str, column: int) -> str:
    if not line.strip():
        return ""
    start = len(line) - len(line.lstrip())
    if column - start > SHOWN_OF_LINE - 20:
        start = column - 20
    line = without_secrets(line)  # they belong into {{ env.NAME }}, but are found in files
    before = printable(line[start : max(start, column)].replace("\t", " "))
    after = printable(line[max(start, column) : start + SHOWN_OF_LINE].replace("\t", " "))
    return f"\n    {before}{after.rstrip()}\n    {' ' * len(before)}^"


def _read_text(path: Path) -> str:
    try:
        if path.is_dir():
            raise SpecError(f"{path}: is a folder; name the defs.yaml within it")
        if path.exists() and not path.is_file():  # a device or a pipe might never end
            raise SpecError(f"{path}: is no file; name a defs.yaml")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}); name a defs.yaml") from error
    except ValueError as error:  # a name with a NUL
        raise SpecError(f"{shown(str(path))}: is no file name; name a defs.yaml") from error
    if len(content) > MOST_BYTES:
        raise SpecError(
            f"{path}: has more than {MOST_BYTES:,} bytes; is it a defs.yaml? Records belong into"
            " files that `sources` name"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = content[error.start]
        raise SpecError(
            f"{path}:{line}: is not UTF-8 text (byte 0x{byte:02x}); save it as UTF-8"
        ) from error
    return text


def _check_depth(text: str, path: Path, lines: Sequence[str]) -> None:
    """Read the events alone, which needs no recursion, and count how deep they stand."""
    try:
        _check_depth_of(yaml.parse(text, Loader=_FAST), path, lines)
    except (yaml.YAMLError, UnicodeError):
        _check_depth_of(yaml.parse(text, Loader=_Loader), path, lines)


def _check_depth_of(events: Iterable[yaml.Event], path: Path, lines: Sequence[str]) -> None:
    depth = 0
    for event in events:
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                raise SpecError(
                    pointed_out(
                        path,
                        event.start_mark,
                        f"settings stand more than {MOST_DEPTH} deep within each other; is a"
                        " bracket open?",
                        lines,
                    )
                )
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1


def _check_size(tree: yaml.Node, path: Path, lines: Sequence[str]) -> None:
    """Count the values with every alias unfolded, each node once; refuse one within itself."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def count(node: yaml.Node) -> int:
        known = sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in open_nodes:
            raise SpecError(
                pointed_out(
                    path,
                    node.start_mark,
                    "contains itself by an alias (*name); write the part out",
                    lines,
                )
            )
        open_nodes.add(id(node))
        size = 1 + sum(map(count, _parts(node)))
        open_nodes.discard(id(node))
        sizes[id(node)] = size
        if size > MOST_VALUES:
            raise SpecError(
                pointed_out(
                    path,
                    node.start_mark,
                    f"stands for more than {MOST_VALUES:,} values once its aliases (*name) are"
                    " unfolded; write fewer",
                    lines,
                )
            )
        return size

    count(tree)


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _check_scalars(tree: yaml.Node, path: Path, lines: Sequence[str]) -> None:
    for node in _scalars(tree):
        if "\0" in node.value:
            raise SpecError(
                pointed_out(path, node.start_mark, "a text holds a NUL; remove it", lines)
            )
        if node.tag != "tag:yaml.org,2002:int":
            continue
        digits = node.value.replace("_", "").lstrip("+-")
        # Python refuses to read thousands of digits.
        if len(digits) > 70 or (digits.isdigit() and int(digits) > MOST_INTEGER):
            raise SpecError(
                pointed_out(
                    path,
                    node.start_mark,
                    f"{shown(node.value, 40)} is larger than any number here may be,"
                    f" {MOST_INTEGER:,}; put a text of digits in quotes",
                    lines,
                )
            )


def _scalars(tree: yaml.Node) -> list[yaml.ScalarNode]:
    """List the scalar nodes of a tree, each once."""
    return [node for node in _nodes(tree) if isinstance(node, yaml.ScalarNode)]


def _nodes(tree: yaml.Node) -> list[yaml.Node]:
    """List the nodes of a tree, each once: an alias leads to one that was seen."""
    found: dict[int, yaml.Node] = {}
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if id(node) not in found:
            found[id(node)] = node
            waiting += _parts(node)
    return list(found.values())


def _first_wrong(tree: yaml.Node) -> Any:
    """Find the mark of the first value that YAML cannot read by itself."""
    wrong: list[Any] = []
    for node in _scalars(tree):
        try:
            _Loader("").construct_document(node)
        except Exception:  # whatever it was, this is the place
            wrong.append(node.start_mark)
    return min(wrong, key=lambda mark: (mark.line, mark.column), default=tree.start_mark)
