"""Docstrings that are put together from lists, so that each sentence stands in one place."""

import re
from collections.abc import Callable, Mapping
from textwrap import fill
from typing import Any, TypeVar

Described = TypeVar("Described", bound=Any)

WIDTH = 100
_JOINT = "\N{NO-BREAK SPACE}"


def filled(**lists: Mapping[str, str]) -> Callable[[Described], Described]:
    """Put lists in the place of the lines ``{name}`` of a docstring.

    Parameters
    ----------
    **lists
        By name, for each entry its head and the text that goes below it, to be wrapped.

    Examples
    --------
    >>> @filled(shared={"jumps : bool, default True": "Whether there are any."})
    ... class Example:
    ...     '''Example.
    ...
    ...     {shared}
    ...     '''
    >>> print(Example.__doc__.rstrip())
    Example.
    <BLANKLINE>
        jumps : bool, default True
            Whether there are any.
    """

    def put(described: Described) -> Described:
        # There is none under python -OO.
        if described.__doc__:
            described.__doc__ = re.sub(
                r"^( *)\{(\w+)\}$",
                lambda found: _entries(lists[found[2]], found[1]),
                described.__doc__,
                flags=re.MULTILINE,
            )
        return described

    return put


def _entries(texts: Mapping[str, str], margin: str) -> str:
    inner = margin + "    "
    options: dict[str, Any] = {"break_on_hyphens": False, "break_long_words": False}
    return "\n".join(
        f"{margin}{head}\n"
        + fill(_joined(text), WIDTH, initial_indent=inner, subsequent_indent=inner, **options)
        for head, text in texts.items()
    ).replace(_JOINT, " ")


def _joined(text: str) -> str:
    """Join the words of code, which is not to be wrapped."""
    return re.sub("``.*?``", lambda code: code[0].replace(" ", _JOINT), text)
