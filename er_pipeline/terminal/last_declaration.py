"""The last declaration: which defs.yaml a dataset of a lake was last run from."""

from pathlib import Path

from er_pipeline.blocking.tables.files import write_whole

DECLARED_IN = "declared_in.txt"


def other_declaration(file: Path, folder: Path) -> str | None:
    """Return a warning if a dataset was last run from another file that is still there.

    folder: of the dataset in the lake. A declaration that was moved is the same one.
    """
    try:
        before = Path((folder / DECLARED_IN).read_text("utf-8").strip())
        if before == file.resolve() or not before.exists():
            return None
    except (OSError, ValueError):  # nothing is noted, or nothing of use
        return None
    return (
        f"[warning] {folder.name} was last run from {before}, now from {file.resolve()}: both write"
        " the same tables; if they are two datasets, give one another `dataset`, or another --lake"
    )


def note_declaration(file: Path, folder: Path) -> None:
    """Note which file a dataset is run from."""
    text = f"{file.resolve()}\n"
    note = folder / DECLARED_IN
    if not note.exists() or note.read_bytes() != text.encode():
        write_whole(note, text)
