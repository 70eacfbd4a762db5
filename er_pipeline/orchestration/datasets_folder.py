"""A folder of datasets, loaded so that a broken one leaves the others and their schedules alone."""

import importlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import COMPONENT_TYPE, read_declaration, read_spec
from er_pipeline.blocking.tables.collector import collector_at_rest
from er_pipeline.blocking.tables.default_lake import default_lake
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.orchestration.broken_dataset import broken_dataset
from er_pipeline.orchestration.component import BlockingPipeline

logger = logging.getLogger(__name__)

DECLARATIONS = ("defs.yaml", "defs.yml", "component.yaml")
# A declaration is read so far to see whether it is ours; the type stands on top.
MOST_READ = 1_000_000


@collector_at_rest()
def load_datasets(
    project: Path, package: str, shared: dg.Definitions | None = None
) -> dg.Definitions:
    """Load a project's folder of definitions, whatever is broken in it.

    project: a path within the project. package: the folder's, such as er_pipeline.defs. shared:
    what belongs to no dataset, such as the executor; merged here, since whoever merges it later
    has all definitions resolved a second time.
    As long as all is well, Dagster loads the folder itself. Otherwise each dataset is loaded on its
    own; one that cannot be is shown as an asset that says why, see `broken_dataset`.
    """
    module = importlib.import_module(package)
    folder = Path(next(iter(module.__path__)))
    specs, reasons = read_datasets(folder)
    if not reasons:
        try:
            loaded = _merged(shared, dg.load_from_defs_folder(path_within_project=project))
            loaded.resolve_asset_graph()  # what does not fit together fails here, not later
            return loaded
        except Exception:  # which of them it is shows below
            logger.exception("the definitions cannot be loaded as a whole; loading one by one")
    return _merged(shared, *_one_by_one(folder, module, specs, dict(reasons)))


def _merged(shared: dg.Definitions | None, *datasets: dg.Definitions) -> dg.Definitions:
    return dg.Definitions.merge(*datasets, *([shared] if shared else []))


def read_datasets(folder: Path) -> tuple[dict[Path, PipelineSpec], dict[Path, str]]:
    """Read every dataset below a folder; return the specs, and the reasons of those without one."""
    specs: dict[Path, PipelineSpec] = {}
    reasons: dict[Path, str] = {}
    first: dict[str, Path] = {}
    for file in _declarations(folder):
        try:
            spec = read_spec(file)
        except SpecError as error:
            reasons[file] = str(error)
            continue
        name = spec.dataset.lower()
        if name in first:
            reasons[file] = (
                f"{file}: dataset {spec.dataset!r} is declared in {first[name]} already; give one"
                " of them another name"
            )
        else:
            first[name] = file
            specs[file] = spec
    return specs, reasons


def _declarations(folder: Path) -> Iterator[Path]:
    """Give the declarations of datasets below a folder; those of other components are passed by."""
    for file in sorted(folder.rglob("*")):
        if file.name in DECLARATIONS and file.is_file():
            with file.open("rb") as content:
                start = content.read(MOST_READ)
            # Several components in one file are left to Dagster.
            if COMPONENT_TYPE.encode() in start and b"\n---" not in start.lstrip(b"-"):
                yield file


def _one_by_one(
    folder: Path,
    module: ModuleType,
    specs: Mapping[Path, PipelineSpec],
    reasons: dict[Path, str],
) -> Iterator[dg.Definitions]:
    taken = {spec.dataset.lower() for spec in specs.values()}
    for file, spec in specs.items():
        try:
            is_post_processed = bool(read_declaration(file).value.get("post_processing"))
            if is_post_processed and file.parent.parent == folder:  # Dagster's own part of it
                loaded = _foreign(file.parent, module)
            else:
                loaded = BlockingPipeline(spec).definitions(default_lake())
            loaded.resolve_asset_graph()
        except Exception as error:
            reasons[file] = f"{file}: {error}"
            taken.discard(spec.dataset.lower())
            continue
        yield loaded
    ours = {*specs, *reasons}
    for child in sorted(folder.iterdir()):
        if child.name.startswith(("_", ".")) or any(f.is_relative_to(child) for f in ours):
            continue
        if child.is_dir() or child.suffix == ".py":
            try:
                yield _foreign(child, module)
            except Exception as error:
                reasons[child / "defs.yaml" if child.is_dir() else child] = f"{child}: {error}"
    for file, reason in reasons.items():
        logger.error("%s", reason)
        yield broken_dataset(file, reason, taken)


def _foreign(child: Path, module: ModuleType) -> dg.Definitions:
    """Load what is none of our datasets: other components, or definitions in Python."""
    loaded = importlib.import_module(f"{module.__name__}.{child.stem}")
    if child.is_file():
        return dg.load_definitions_from_module(loaded)
    tree = dg.ComponentTree.from_module(loaded, child.parents[1])
    return tree.build_defs(child)
