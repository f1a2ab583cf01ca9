"""What mkdocstrings needs to read our docstrings: a doctest section, and names as code."""

import re
from typing import Any

from griffe import Extension, Object


class Docstrings(Extension):
    """Turn ``Example:`` into the section that shows code, and Sphinx roles into code."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:  # noqa: ARG002
        """Change the text of one docstring."""
        if obj.docstring is not None:
            text = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.M)
            obj.docstring.value = re.sub(r":(?:func|class|meth|mod|attr):(`)~?", r"\1", text)
