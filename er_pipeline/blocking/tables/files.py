"""Files and folders: replaced in one step, held while in use, and cleared when left behind.

A folder in use is locked by the process that uses it. The lock ends with the process, however that
ends, so a folder that nobody holds is what a killed run left.
"""

import fcntl
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

logger = logging.getLogger(__name__)

# Folders of the system's temporary one that hold copies of records while a source is read.
# Of folders made by scratch_folder alone: others may use the name of the project, too.
SCRATCH_PREFIX = "er_pipeline_scratch_"


def write_whole(path: Path, text: str) -> None:
    """Replace a small text file in one step, on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = write_draft(path, text)
    try:
        replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_draft(path: Path, text: str) -> Path:
    """Write the text of a file beside it, on the disk when this returns; `replace` comes later."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(3)}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def replace(draft: Path, path: Path) -> None:
    """Put a file or link in the place of another; a folder that stands there is put aside."""
    if path.is_dir() and not path.is_symlink():
        put_aside(path)
    os.replace(draft, path)
    flush(path.parent)


def point(link: Path, target: str) -> None:
    """Make a link point elsewhere, in one step."""
    draft = link.with_name(f"{link.name}.{secrets.token_hex(3)}.link")
    draft.symlink_to(target)
    try:
        replace(draft, link)
    finally:
        draft.unlink(missing_ok=True)


def put_aside(path: Path) -> None:
    """Rename what stands in the way of a file, so that nothing of a user's is lost."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(3)}.aside")
    path.rename(aside)
    logger.warning("%s was no file of ours and is now %s; look at it and delete it", path, aside)


def flush(path: Path) -> None:
    """Wait until a file, or the list of names of a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems know no fsync of folders
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_files(folder: Path) -> None:
    """Wait until all files of a folder are on the disk, and their names."""
    for path in folder.iterdir():
        flush(path)
    flush(folder)
    flush(folder.parent)


def sizes_of(folder: Path) -> dict[str, int]:
    """Return the bytes of every file below a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def link_file(source: str | Path, target: str | Path) -> None:
    """Let a file stand at another place, too, without copying it where that can be."""
    try:
        os.link(source, target)
    except OSError:  # no hard links there
        shutil.copyfile(source, target)


@contextmanager
def files_of_mode(mode: str | None) -> Iterator[None]:
    """Let all files that this process writes have a mode at most, such as 640, and folders 750.

    None leaves that to the system, as its umask has it.
    """
    if mode is None:
        yield
        return
    before = os.umask(0o777 & ~_of_folders(int(mode, 8)))
    try:
        yield
    finally:
        os.umask(before)


def _of_folders(mode: int) -> int:
    """Let whoever may read a file enter the folders above it; of files programs ask less."""
    return mode | ((mode & 0o444) >> 2)


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder and hold it until the block ends, so that nobody takes it for a leftover."""
    while True:
        folder.mkdir(parents=True)
        descriptor = os.open(folder, os.O_RDONLY)
        with suppress(OSError):  # a file system without locks: nothing is cleared there
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        if folder.is_dir():
            break
        os.close(descriptor)  # cleared in the moment before it was held
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder in the system's temporary one, gone when the block ends.

    That of a killed process goes with the next run, see `clear_scratch`.
    """
    parent = Path(tempfile.gettempdir())
    folder = parent / f"{SCRATCH_PREFIX}{secrets.token_hex(6)}"
    with ExitStack() as held:
        with files_of_mode("600"):  # copies of records: for nobody else
            held.enter_context(made_folder(folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def clear_scratch() -> None:
    """Remove what killed processes of this user left in the system's temporary folder."""
    clear_left(Path(tempfile.gettempdir()).glob(f"{SCRATCH_PREFIX}*"))


def clear_left(paths: Iterable[Path]) -> None:
    """Remove files, links and the folders that nobody holds; what another user owns stays."""
    for path in paths:
        with suppress(OSError):
            if path.lstat().st_uid != os.geteuid():
                continue
            if path.is_symlink() or not path.is_dir():
                path.unlink()
            elif is_left(path):
                shutil.rmtree(path, ignore_errors=True)


def is_left(folder: Path) -> bool:
    """Say whether no process holds a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
