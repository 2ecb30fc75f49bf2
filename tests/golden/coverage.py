"""What of core a run calls, and what there is."""

import importlib
import inspect
import pkgutil
import sys

import fhl_ppl.core

BESIDE = (
    "fhl_ppl.core.early_end",
    "fhl_ppl.core.evidence",
    "fhl_ppl.core.search",
    "fhl_ppl.core.tuning_ahead",
    "fhl_ppl.core.moments.across_chains",
)
"""Before or after iterations and beside them: they have tests of their own."""

EXPERIMENTAL = (
    "fhl_ppl.core.charts",
    "fhl_ppl.core.learners.carried",
    "fhl_ppl.core.learners.chart",
    "fhl_ppl.core.target.charted",
    "fhl_ppl.core.tempering",
    "fhl_ppl.core.stacked",
)
"""Charts have `tests.core.charts` and `tests.invariance`, temperatures `tests.core.tempering`
and `tests.invariance.test_swaps`."""

OF_CHARTS = {"fhl_ppl.core.homes.as_one_mode"}
"""Elsewhere modes are made equally wide too: `tests.core.learners.test_archive`."""

OF_A_SEARCH = {
    "fhl_ppl.core.learners.archive.with_finds",
    "fhl_ppl.core.learners.grouping.has_valleys",
    "fhl_ppl.core.warmup.remember",
}
"""What is made of its finds: `tests.core.learners.test_archive` and `tests.core.charts`."""

LEFT_ALONE = {"fhl_ppl.core.learners.learner.Steady"}
"""What a learner may leave alone: whether one does is its own business."""


def called_in_core(run):
    """Public functions and methods of core that `run()` calls, and all that there are."""
    called = set()

    def note(frame, event, argument):
        if event == "call":
            called.add(frame.f_code)

    previous = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(previous)
    public = dict(_public_in_core())
    return {name for name, code in public.items() if code in called}, set(public)


def _public_in_core():
    for module in pkgutil.walk_packages(fhl_ppl.core.__path__, "fhl_ppl.core."):
        if module.name.startswith(BESIDE + EXPERIMENTAL):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if getattr(value, "__module__", None) != module.name or name.startswith("_"):
                continue
            if f"{module.name}.{name}" in LEFT_ALONE | OF_A_SEARCH | OF_CHARTS:
                continue
            if inspect.isfunction(value):
                yield f"{module.name}.{name}", value.__code__
            elif inspect.isclass(value) and not getattr(value, "_is_protocol", False):
                for method, function in vars(value).items():
                    if inspect.isfunction(function) and not method.startswith("_"):
                        yield f"{module.name}.{name}.{method}", function.__code__
