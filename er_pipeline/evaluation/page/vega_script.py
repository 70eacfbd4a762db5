"""The JavaScript that draws the pictures: Vega, Vega-Lite and Vega-Embed, embedded in the page.

Splink brings them for its own pages without a network. Taking them from there costs no dependency,
no download and no time, where vl-convert-python, 34 MB to download, bundles them anew in every
process, two seconds each.
"""

import re
from importlib.util import find_spec
from pathlib import Path

# In the order in which a page loads them.
LIBRARIES = ("vega", "vega-lite", "vega-embed")
FOLDER = Path("internals") / "files" / "external_js"
# A browser would look for it beside the page.
SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


def library_folder() -> Path:
    """Name the folder in which the installed Splink keeps the libraries."""
    splink = find_spec("splink")
    places = splink.submodule_search_locations if splink else None
    return Path(next(iter(places or []), "splink")) / FOLDER


def read_libraries() -> list[str]:
    """Read the libraries, each a script that a page can hold.

    Raises FileNotFoundError if the installed Splink brings none.
    """
    folder = library_folder()
    scripts = []
    for name in LIBRARIES:
        found = sorted(folder.glob(f"{name}@*"))
        if not found:
            raise FileNotFoundError(
                f"{folder}: no {name}@<version>, which draws the pictures of report.html; install"
                " a Splink that brings it, such as splink==5.0.0"
            )
        text = SOURCE_MAP.sub("", found[-1].read_text("utf-8"))
        # Nothing in a script may end it early; within its strings <\/ is the same as </.
        scripts.append(text.replace("</script", "<\\/script"))
    return scripts
