"""What is said and asked of a constructor argument that both kernels share.

`fhl_ppl.options.Options` lists those that do not depend on the backend, `FORCE` and `METRIC` the
others. Docstrings and checks derive from the lists; signatures repeat them, for editors to show.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, field, fields
from math import inf, isfinite
from typing import Any

import numpy as np

Check = Callable[[str, Any], None]
"""(name, value) -> None, or an error."""

LARGEST = 2**31 - 1
"""Of whole numbers: what backends count with."""

LOW_RANK = "low_rank"
"""What `dense_mass` is called where it is scales and a few directions; None means it beyond."""

FORCE = (
    (
        "gradient_fn : callable, optional",
        "Stand-in for the gradient of the *potential* (not the score) of one particle: maps "
        "{particle} to one shaped alike. It may be a surrogate, clipped, wrong or zero: the answer "
        "stays exact, only the speed changes. Where it is not finite there is no force. For a "
        "likelihood without a useful gradient, say piecewise constant or {simulator}: "
        "``{no_gradient}``. Default: automatic differentiation.",
    ),
    (
        "noisy_gradient : bool, default False",
        "Whether `gradient_fn` draws random numbers (a minibatch, additive noise){noise}. It is "
        "then evaluated once more an iteration, since noise must not be used twice: `n_steps` is "
        "``L + 1``. The potential itself has to be exact.",
    ),
    (
        "minibatch : bool, default False",
        "Whether to take the gradient from a batch, and the energy in the Metropolis test from all "
        "data: for a model with a `{library}.plate` that has a `subsample_size`, by whose indices "
        "or `{library}.subsample` it takes its data. The batches are drawn afresh at every "
        "evaluation, with replacement, and compared with the same batch at an `anchor`, which "
        "takes most of the noise away. Exact, and worth its while where rows are many (10^5).",
    ),
    (
        "anchor : {sites}, optional",
        "The point that a minibatch's gradients are compared at: unconstrained values of one "
        "particle. Any is exact; near the mode is best. Default: the mode, found by {optimiser} on "
        "all data. Without `{starts}` all particles start at it.",
    ),
)
"""Arguments that say which force moves the particles, with words that each backend fills in."""

METRIC = (
    "inverse_mass_matrix : array [D] or [D, D], or dict, optional",
    "Initial M^-1, {order}; or a dict from tuples of site names to blocks. A metric of low rank "
    "starts as a diagonal. Default: unit scales.",
)
"""The same of the metric to start from."""


def argument(default: Any, check: Check, text: str, kind: str | None = None) -> Any:
    """Make a field of `Options`, with its check, its text and, if not the annotation, its type.

    A default of None stands for a choice that the text explains, and is not checked.
    """
    return field(default=default, metadata={"check": check, "text": text, "kind": kind})


def arguments_of(options: Any) -> list[Field[Any]]:
    """Fields of `Options`, or of an instance, that are arguments."""
    return [each for each in fields(options) if each.metadata]


def parameters(options: type, **words: str) -> dict[str, str]:
    """All shared arguments for a docstring, with a backend's `words`: for each head the text."""
    entries = dict(FORCE)
    for each in arguments_of(options):
        kind = each.metadata["kind"] or _in_words(each.type)
        default = "optional" if each.default is None else f"default {each.default!r}"
        entries[f"{each.name} : {kind}, {default}"] = each.metadata["text"]
    entries |= [METRIC]
    return {head.format(**words): text.format(**words) for head, text in entries.items()}


def _in_words(annotation: Any) -> str:
    """The type, without the None that "optional" says."""
    return getattr(annotation, "__name__", str(annotation)).removesuffix(" | None")


def is_traced(value: Any) -> bool:
    """Whether it is a number that JAX traces, under `jit` or another transformation.

    >>> is_traced(1.0), is_traced(np.float32(1.0)), is_traced("one")
    (False, False, False)
    """
    # Only JAX's arrays have an abstract value, and only those that are traced have no other.
    if getattr(value, "shape", None) != () or not hasattr(value, "aval"):
        return False
    try:
        float(value)
    except TypeError:
        return bool(value.dtype.kind in "fiu")
    return False


def start_radius(init_strategy: Any, uniform: Any) -> float | None:
    """Within what of 0 `uniform`, a library's `init_to_uniform`, starts; None if it is not asked.

    >>> from functools import partial
    >>> start_radius(max, max), start_radius(partial(max, radius=9.0), max), start_radius(min, max)
    (2.0, 9.0, None)
    """
    if init_strategy is uniform:
        return 2.0
    if getattr(init_strategy, "func", None) is not uniform:
        return None
    return getattr(init_strategy, "keywords", {}).get("radius", 2.0)


def shown(value: Any) -> str:
    """A value as messages have it, in a line.

    >>> shown("a"), shown(10**400), len(shown([0.5] * 1000))
    ("'a'", 'an integer of 1329 bits', 100)
    """
    if isinstance(value, int) and value.bit_length() > 100:
        # Python refuses to write out the largest.
        return f"an integer of {value.bit_length()} bits"
    return repr(value)[:100]


def truth(name: str, value: Any) -> None:
    """Insist on a truth value."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {shown(value)}.")


def truth_or_number(meaning: str, most: int) -> Check:
    """Insist on a truth value or a positive integer up to `most`; `meaning` says what that is."""

    def check(name: str, value: Any) -> None:
        if isinstance(value, bool | np.bool_):
            return
        if not isinstance(value, int | np.integer) or value < 1:
            error = ValueError if isinstance(value, int | np.integer) else TypeError
            raise error(f"{name} must be True, False or {meaning}, got {shown(value)}.")
        if value > most:
            raise ValueError(f"{name} must be at most {most}, got {shown(value)}.")

    return check


def whole(wanted: str, least: int = 1) -> Check:
    """Insist on an integer that is at `least` so large; `wanted` says so."""

    def check(name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"{name} must be an integer, got {shown(value)}.")
        if value < least:
            raise ValueError(f"{name} must be {wanted}, got {value}.")
        if value > LARGEST:
            raise ValueError(f"{name} must be at most {LARGEST}, got {shown(value)}.")

    return check


def real(allowed: Callable[[float], bool], wanted: str) -> Check:
    """Insist on a finite number that is `allowed`; `wanted` says what is.

    A number that a compiler traces has no value yet, and passes.
    """

    def check(name: str, value: Any) -> None:
        if is_traced(value):
            return
        try:
            number = float(value)
        except OverflowError:
            number = inf
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"{name} must be a number, got {shown(value)}.") from None
        if isinstance(value, bool | np.bool_) or str(getattr(value, "dtype", "")) == "bool":
            raise TypeError(f"{name} must be a number, got {value!r}.")
        if not (isfinite(number) and allowed(number)):
            raise ValueError(f"{name} must be {wanted}, got {shown(value)}.")

    return check


def one_of(names: Collection[str]) -> Check:
    """Insist on one of `names`."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, names))}, got {value!r}.")

    return check


def blocks(name: str, value: Any) -> None:
    """Insist on what `dense_mass` may be; whether there are such sites, a model has to say."""
    wanted = f"True, False, None, {LOW_RANK!r} or a list of tuples of site names"
    if isinstance(value, str) and value != LOW_RANK:
        raise ValueError(
            f"{name} must be {wanted}, got {value!r}; for one site give [({value!r},)]."
        )
    if not isinstance(value, bool | str | list | tuple):
        raise TypeError(f"{name} must be {wanted}, got {shown(value)}.")
    if isinstance(value, list | tuple) and not all(
        isinstance(block, str)
        or (isinstance(block, tuple | list) and all(isinstance(each, str) for each in block))
        for block in value
    ):
        raise TypeError(f"{name} must be a list of tuples of site names, got {shown(value)}.")


def check_batches(plates: Mapping[str, tuple[int, int]]) -> None:
    """Check (size, subsample_size) of the plates that subsample, by name.

    Raises
    ------
    ValueError
        If there is none, or one that draws no rows.
    """
    if not plates:
        raise ValueError(
            "minibatch=True needs a plate that subsamples: give one a subsample_size and index the "
            "data with it, or leave minibatch out."
        )
    for name, (size, subsample_size) in plates.items():
        if subsample_size < 1:
            raise ValueError(
                f"plate {name!r} must have a subsample_size of at least 1, got {subsample_size} of "
                f"{size}; leave it out for all rows."
            )


def check_target(
    model: Any,
    potential_fn: Any,
    gradient_fn: Any,
    noisy_gradient: bool,
    minibatch: bool,
    anchor: Any,
) -> None:
    """Check the arguments of `FHL` that say what to sample by which force.

    Raises
    ------
    TypeError
        If one is of the wrong kind.
    ValueError
        If one lacks what it needs, or contradicts another.
    """
    if (model is None) == (potential_fn is None):
        given = "neither" if model is None else "both"
        raise ValueError(f"Exactly one of model and potential_fn must be given, got {given}.")
    functions = {"model": model, "potential_fn": potential_fn, "gradient_fn": gradient_fn}
    for name, value in functions.items():
        if not (value is None or callable(value)):
            raise TypeError(f"{name} must be callable, got {value!r}.")
    for name, value in {"noisy_gradient": noisy_gradient, "minibatch": minibatch}.items():
        truth(name, value)
    if noisy_gradient and gradient_fn is None:
        raise ValueError(
            "noisy_gradient=True needs a gradient_fn: the energy itself has to be exact, so noise "
            "can only be in a function of its own. For a model whose plate subsamples, set "
            "minibatch=True instead."
        )
    if minibatch and gradient_fn is not None:
        raise ValueError(
            "minibatch=True takes the gradient of the model's own batches; leave gradient_fn out."
        )
    if minibatch and model is None:
        raise ValueError(
            "minibatch=True needs a model, with a plate that subsamples. With a potential_fn, give "
            "a gradient_fn that draws the batch, and noisy_gradient=True."
        )
    if anchor is not None and not minibatch:
        raise ValueError("anchor has a meaning with minibatch=True only; give both or neither.")


def check_reference(
    temperatures: Any, reference_fn: Any, has_model: bool, minibatch: bool, example: str
) -> None:
    """Check what temperatures end at; `example` is a reference in words of the backend.

    Raises
    ------
    TypeError
        If the reference is no function.
    ValueError
        If there is none, or no temperatures, or there are minibatches.
    """
    if reference_fn is not None and not callable(reference_fn):
        raise TypeError(f"reference_fn must be callable, got {reference_fn!r}.")
    if temperatures is None:
        if reference_fn is not None:
            raise ValueError(
                "reference_fn has a meaning with temperatures only; give both or neither."
            )
        return
    if minibatch:
        raise ValueError(
            f"temperatures={shown(temperatures)} and minibatch=True do not go together: no "
            "temperature is defined for a random force. Leave one of them out."
        )
    if not has_model and reference_fn is None:
        raise ValueError(
            f"temperatures={shown(temperatures)} needs a reference_fn with a potential_fn, whose "
            "prior is not known: the energy of a proper density that covers all that may have "
            f"mass, such as {example}."
        )


def refuse_improper(names: Collection[str]) -> None:
    """Insist on priors that can be normalised, where temperatures lead to them.

    Raises
    ------
    ValueError
        Naming the sites of the others.
    """
    if names:
        raise ValueError(
            f"temperatures lead to the prior, and that of {', '.join(map(repr, names))} is "
            "improper. Give a proper prior, or as reference_fn the energy of a proper density."
        )
