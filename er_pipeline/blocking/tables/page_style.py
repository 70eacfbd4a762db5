"""What all pages share: their colours, light and dark, and how they name their own code."""

import base64
import hashlib
from importlib.resources import files


def page_colours() -> str:
    """Return the colours as CSS variables, which follow the reader's choice of light or dark."""
    return files(__package__).joinpath("page.colours.css").read_text("utf-8")


def policy_digest(code: str) -> str:
    """Return how the policy of a page names a script or style that is part of it."""
    digest = hashlib.sha256(code.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
