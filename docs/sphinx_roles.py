"""An extension of griffe: Sphinx's roles in docstrings, as :class:`~a.b.C`, become plain code on the site."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`(?:~(?:[\w.]*\.)?|\.)?([\w.]+)`")


class SphinxRoles(griffe.Extension):
    """Rewrites the docstring of everything that is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(r"`\1`", obj.docstring.value)
