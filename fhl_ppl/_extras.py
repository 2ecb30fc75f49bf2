"""Say which extra to install when an optional dependency is missing."""

from importlib import import_module


def require(extra: str, *modules: str) -> None:
    """Import top-level `modules`, or raise an error that names the extra which brings them.

    Raises
    ------
    ModuleNotFoundError
        If one of the modules is not installed. A module that is there but fails to import raises
        its own error: installing the extra again would not help.

    Examples
    --------
    >>> require("numpyro", "no_such_module")
    Traceback (most recent call last):
        ...
    ModuleNotFoundError: no_such_module is not installed. Install it with:
    pip install "fhl_ppl[numpyro]"
    """
    for module in modules:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise ModuleNotFoundError(
                f'{module} is not installed. Install it with: pip install "fhl_ppl[{extra}]"',
                name=module,
            ) from error
