"""The house: which room may see which, how large a module may be, and where tables are declared."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import er_pipeline

PACKAGE = Path(er_pipeline.__file__).parent
TESTS = Path(__file__).parent
MOST_LINES = 400

# From the ground up: a room sees those before it, and itself.
ROOMS = (
    ("blocking.tables",),
    ("blocking.values", "blocking.encoders"),
    ("blocking.spec",),
    ("blocking.records",),
    ("blocking.blocks", "blocking.neighbours"),
    ("blocking.weights",),
    ("blocking.learning", "blocking.pairs"),
    ("blocking.labels", "blocking.changes"),
    ("blocking",),
    ("matching",),
    ("evaluation",),
    ("notices",),
    ("flow", "catalog", "sinks"),
    ("candidates",),
    ("forgetting",),
    ("orchestration",),
    ("terminal", "definitions", ""),
)
FLOOR = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}


def modules() -> Iterator[tuple[str, Path]]:
    """Give every module of the package by its name below it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "defs" not in path.parts:
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), path


def room_of(module: str) -> str:
    """Name the room of a module: the longest that its name begins with."""
    fitting = [room for room in FLOOR if f"{module}.".startswith(f"{room}." if room else "")]
    return max(fitting, key=len)


def imports(path: Path) -> Iterator[str]:
    """Give the modules of this package that a module imports, anywhere but for its types alone."""
    known = {name for name, _ in modules()}
    tree = ast.parse(path.read_text("utf-8"))
    for_types = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    passed_over = {node for block in for_types for node in ast.walk(block)}
    for node in ast.walk(tree):
        if node in passed_over:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.split(".")[0] == "er_pipeline":
                below = name.removeprefix("er_pipeline").removeprefix(".")
                yield below if below in known else below.rpartition(".")[0]


def test_no_room_looks_up() -> None:
    up = [
        f"{module} imports {imported}"
        for module, path in modules()
        for imported in imports(path)
        if module and FLOOR[room_of(imported)] > FLOOR[room_of(module)]
    ]
    assert up == []


def test_no_room_looks_at_its_neighbour() -> None:
    beside = [
        f"{module} imports {imported}"
        for module, path in modules()
        for imported in imports(path)
        if module
        and room_of(imported) != room_of(module)
        and FLOOR[room_of(imported)] == FLOOR[room_of(module)]
    ]
    assert beside == []


def test_no_circle_of_imports() -> None:
    graph = {module: set(imports(path)) for module, path in modules() if module}

    def reaches(start: str) -> set[str]:
        found: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += graph.get(name, ())
        return found

    assert [module for module in graph if module in reaches(module)] == []


@pytest.mark.parametrize("folder", [PACKAGE, TESTS], ids=["package", "tests"])
def test_no_file_is_too_long(folder: Path) -> None:
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in folder.rglob("*.py")}
    assert {path.name: n for path, n in lines.items() if n > MOST_LINES} == {}


def test_each_module_has_its_tests() -> None:
    tested = {path.stem.removeprefix("test_") for path in TESTS.glob("test_*.py")}
    named = {path.stem for _, path in modules() if path.stem != "__init__"}
    assert sorted(name for name in named if name not in tested) == []


def test_the_pure_half_imports_no_dagster() -> None:
    pure = (
        "blocking",
        "matching",
        "evaluation",
        "notices",
        "flow",
        "catalog",
        "sinks",
        "forgetting",
    )
    found = [
        module
        for module, path in modules()
        if module.split(".")[0] in pure
        and re.search(r"^\s*(from|import) dagster", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert found == []


@pytest.mark.parametrize("forbidden", ["dagster", "pandera", "great_expectations", "splink"])
def test_the_flow_is_declared_without(forbidden: str) -> None:
    code = f"import sys; sys.modules[{forbidden!r}] = None; import er_pipeline.flow"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_definitions_load_without_the_heavy_libraries() -> None:
    code = (
        "import sys\n"
        "for name in ('pandera', 'great_expectations', 'splink', 'torch', 'faiss', 'pandas'):\n"
        "    sys.modules[name] = None\n"
        "import er_pipeline.definitions as d\n"
        "d.defs().get_repository_def()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_splink_and_the_engine_itself_see_the_connection() -> None:
    seen = {module for module, path in modules() if ".con." in path.read_text("utf-8")}
    seen |= {module for module, path in modules() if "engine.con" in path.read_text("utf-8")}
    assert seen == {"blocking.tables.engine_duckdb", "matching.splink_linker"}


def test_no_sql_is_patched_and_no_text_multiplied_by_a_truth_value() -> None:
    bad = re.compile(r"\.replace\(\"(select|as) |[\"'\])] \* (bool\(|spec\.|has_|is_|\w+_again)")
    found = [module for module, path in modules() if bad.search(path.read_text("utf-8"))]
    assert found == []
