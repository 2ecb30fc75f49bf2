"""The list of statistics says what an iteration has, and what a reader finds."""

import numpy as np

from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.state import Info, State
from fhl_ppl.core.statistics import ARVIZ_NAMES, MEANINGS, STATISTICS, read

# Beside the list itself, the one place that spells the names out, for what users rely on.
PUBLIC = {
    "potential_energy": "lp",
    "energy": "energy",
    "accept_prob": "acceptance_rate",
    "diverging": "diverging",
    "n_steps": "n_steps",
    "step_size": "step_size",
    "pulling_strength": "pulling_strength",
    "is_leader": "is_leader",
    "move": "move",
    "squared_jump": "squared_jump",
}


def test_public_names_stay():
    assert PUBLIC.items() <= ARVIZ_NAMES.items()
    assert len(set(ARVIZ_NAMES.values())) == len(STATISTICS)


def test_all_is_read_where_an_iteration_has_it():
    state, info, tuning = (
        kind(*(f"{kind.__name__}.{name}" for name in kind._fields))
        for kind in (State, Info, Tuning)
    )
    found = read(state, info, tuning)
    assert list(found) == [each.name for each in STATISTICS]
    assert found["potential_energy"] == "State.potential_energy"
    assert found["n_steps"] == "Info.num_steps"
    assert found["step_size"] == "Tuning.step_size"
    assert found["squared_jump"] == "Info.squared_jump"


def test_every_entry_is_in_order():
    for each in STATISTICS:
        assert each.per in {"particle", "iteration"}
        assert each.dtype is None or np.dtype(each.dtype)
        assert MEANINGS[each.name].endswith(".")
