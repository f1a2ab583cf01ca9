"""Render pages from templates and write them as single files."""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from slic.files import write_atomically


def write_page(path: Path, template: str, **values: Any) -> None:
    """Render a template and write the page; the file is complete or unchanged.

    Values are escaped, so a file name cannot add an element. Equal values give equal bytes.

    Args:
        path: The HTML file.
        template: File name in ``slic/report/templates``.
        values: Variables of the template; `markupsafe.Markup` is not escaped.

    Raises:
        WriteError: The file cannot be written.
    """
    page = _environment().get_template(template).render(**values)
    write_atomically(path, page.encode(errors="replace"))  # paths need not be valid Unicode


def read_asset(name: str) -> Markup:
    """Return the text of a style sheet or script in ``slic/report/templates``, not escaped."""
    return Markup((files("slic.report") / "templates" / name).read_text(encoding="utf-8"))


def script_hash(script: str) -> str:
    """Return the hash of a script for a content security policy, which then allows no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("slic.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
