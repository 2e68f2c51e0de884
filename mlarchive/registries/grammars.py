"""Loading a registry's client without what it loads and never uses."""

import contextlib
import sys
from collections.abc import Iterator

_GRAMMARS = "rfc3987_syntax"


@contextlib.contextmanager
def without_grammars() -> Iterator[None]:
    """Hide a package that takes more time than all else of loading Neptune's or Azure ML's client.

    Both load jsonschema, which builds 38 grammars to check formats of addresses if
    `rfc3987_syntax` happens to be installed. Neither client checks formats for us.
    """
    if _GRAMMARS in sys.modules:
        yield
        return
    # What Python takes for a package that is not there; jsonschema does without.
    sys.modules[_GRAMMARS] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_GRAMMARS]
