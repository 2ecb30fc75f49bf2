"""The faults: in a file of `fhl_ppl`, a text for another, and the tests that should see it.

The tests are direct ones, of the file itself. Stored outputs (`tests/core/test_golden.py`) would
see nearly all, but not say why they are wrong.
"""

from typing import NamedTuple


class Fault(NamedTuple):
    """One change of a file under `fhl_ppl`, and tests under `tests`."""

    file: str
    right: str
    wrong: str
    tests: str


_ROLES = "core/test_roles.py"
_STEPS = "core/trajectory"
_MOVES = "core/moves"
_ITERATION = "core/test_iteration.py core/trajectory/test_leapfrog.py"
_STEP_SIZE = "core/learners/test_step_size.py"

FAULTS = (
    Fault("core/leader.py", "xp.tanh(gap / 2)", "xp.tanh(gap)", _ROLES),
    Fault("core/leader.py", "led = spread(groups, xp.min(", "led = spread(groups, xp.max(", _ROLES),
    Fault("core/leader.py", "position - leader.position", "leader.position - position", _ROLES),
    Fault("core/leader.py", "xp.where(xp.isfinite(energy), energy, xp.inf)", "energy", _ROLES),
    Fault("core/couplings/alternate.py", "2 * rank < ", "2 * rank <= ", _ROLES),
    Fault("core/couplings/alternate.py", "seats, xp.inf)", "seats, -xp.inf)", _ROLES),
    Fault(
        "core/couplings/alternate.py", "Roles(leader, ~is_scout)", "Roles(leader, is_scout)", _ROLES
    ),
    Fault(
        "core/couplings/alternate.py", "return -energy_change", "return energy_change", _ITERATION
    ),
    Fault("core/couplings/joint.py", "return -total", "return total", _ROLES + " " + _ITERATION),
    Fault(
        "core/couplings/joint.py", "first_of_group(groups, draws.accept)", "draws.accept", _ROLES
    ),
    Fault("core/metropolis.py", "uniform < accept_prob", "uniform > accept_prob", _ITERATION),
    Fault("core/metropolis.py", "xp.minimum(log_ratio", "xp.maximum(log_ratio", _ITERATION),
    Fault("core/metropolis.py", "eps) * energy", "eps) * 0 * energy", "core/test_precision.py"),
    Fault("core/iteration.py", "kinetic[1] - kinetic[0]", "kinetic[0] - kinetic[1]", _ITERATION),
    Fault(
        "core/iteration.py", "end.potential_energy + kinetic[1]", "end.potential_energy", _ITERATION
    ),
    Fault(
        "core/iteration.py",
        "change = xp.where(stays & ~behind, ",
        "change = xp.where(~behind, ",
        _ITERATION + " core/test_mixture_of_moves.py invariance/test_homes.py",
    ),
    Fault("core/iteration.py", "is_finite(end.position, ", "is_finite(", _ITERATION),
    Fault(
        "core/moves/jump.py",
        "log_ratio - jump.tilt, log_ratio + jump.tilt",
        "log_ratio + jump.tilt, log_ratio - jump.tilt",
        _MOVES,
    ),
    Fault("core/metropolis.py", "uniform < accept_prob", "uniform[:1] < accept_prob", _ITERATION),
    Fault("core/iteration.py", "log_error < -DIVERGENCE", "log_error < DIVERGENCE", _ITERATION),
    Fault(
        "core/metrics/__init__.py",
        "velocity(metric, momentum)) / 2",
        "velocity(metric, momentum))",
        _ITERATION,
    ),
    Fault(
        "core/metrics/dense.py",
        "power(spectrum, -0.5) / scale",
        "power(spectrum, -0.5) * scale",
        "core/metrics/test_dense_fit.py",
    ),
    Fault(
        "core/metrics/dense.py",
        "inverse_mass_matrix**-0.5",
        "inverse_mass_matrix**0.5",
        "core/metrics/test_dense_fit.py " + _ITERATION,
    ),
    Fault(
        "core/trajectory/leapfrog.py",
        "return momentum - time * push",
        "return momentum + time * push",
        _STEPS,
    ),
    Fault(
        "core/trajectory/leapfrog.py",
        "push - reference.frequency * restoring",
        "push - restoring",
        _STEPS,
    ),
    Fault("core/trajectory/leapfrog.py", "1 + num_steps, visit", "num_steps, visit", _STEPS),
    Fault("core/trajectory/splitting.py", "return step_size / 2\n", "return step_size\n", _STEPS),
    Fault("core/trajectory/splitting.py", "2 * XI - 0.5", "2 * XI", _STEPS),
    Fault(
        "core/trajectory/reference.py", "turn.sine * restoring", "turn.cosine * restoring", _STEPS
    ),
    Fault(
        "core/moves/rotation.py", "before * before, axis=1) / 2", "before * before, axis=1)", _MOVES
    ),
    Fault("core/moves/rotation.py", "+ sine * xi, correction", "- sine * xi, correction", _MOVES),
    Fault("core/moves/rotation.py", "right * scene.turn", "right", _MOVES),
    Fault("core/moves/approach.py", "position.shape[1] + 2 * SHIFT", "2 * SHIFT", _MOVES),
    Fault("core/moves/approach.py", "SPREAD * noise - SHIFT", "SPREAD * noise + SHIFT", _MOVES),
    Fault("core/moves/difference.py", "2.38 / sqrt(2 * scene", "2.38 / sqrt(scene", _MOVES),
    Fault(
        "core/moves/difference.py",
        "xp.sign(scene.noise[:, 0])",
        "xp.abs(xp.sign(scene.noise[:, 0]))",
        _MOVES + " invariance/test_moves.py",
    ),
    Fault("core/moves/difference.py", "xp.where(both[:, None], apart, 0.0)", "apart", _MOVES),
    Fault("core/moves/leap.py", "shift(scene, 1.0)", "shift(scene, 2.0)", _MOVES),
    Fault(
        "core/moves/mean_rotation.py",
        "scene.leader.potential_energy - scene.potential_energy",
        "scene.potential_energy - scene.leader.potential_energy",
        _MOVES,
    ),
    Fault(
        "core/moves/mixture_renewal.py",
        "mixture, position)) - log_sum(",
        "mixture, position)) + log_sum(",
        _MOVES,
    ),
    Fault(
        "core/moves/transport.py",
        "- xp.astype(start, position",
        "+ xp.astype(start, position",
        _MOVES,
    ),
    Fault(
        "core/moves/transport.py",
        "in_use(mixture.log_weight) & ~start",
        "in_use(mixture.log_weight)",
        _MOVES,
    ),
    Fault(
        "core/groups.py",
        "(k < num_particles % count)",
        "(k <= num_particles % count)",
        "core/test_groups.py",
    ),
    Fault("core/groups.py", "xp.where(present, seated, 0.0)", "seated", "core/test_groups.py"),
    Fault(
        "core/moments/welford.py",
        "moments.count * size / count",
        "moments.count / count",
        "core/moments",
    ),
    Fault(
        "core/moments/welford.py",
        "xp.maximum(moments.count - 1",
        "xp.maximum(moments.count",
        "core/moments",
    ),
    Fault("core/learners/step_size.py", "(target - achieved)", "(achieved - target)", _STEP_SIZE),
    Fault(
        "core/learners/step_size.py",
        "weight / xp.maximum(accept_prob, worst)",
        "weight / accept_prob",
        _STEP_SIZE,
    ),
    Fault("core/learners/step_size.py", "count**-FORGETTING", "count**FORGETTING", _STEP_SIZE),
    Fault(
        "core/learners/unseen_steps.py",
        "variance > SWEEP**2",
        "variance > 0",
        "core/learners/test_unseen_steps.py",
    ),
    Fault(
        "core/learners/unseen_steps.py", ">= IN_A_ROW", ">= 1", "core/learners/test_unseen_steps.py"
    ),
    Fault(
        "core/moves/choice.py",
        "jumps, uniform / (1 - TILT))",
        "jumps, uniform)",
        "core/moves/test_which_jump.py",
    ),
    Fault(
        "core/moves/jump.py",
        "offers[k].log_correction",
        "offers[k - 1].log_correction",
        "core/moves/test_offers.py",
    ),
    Fault(
        "core/learners/trajectory_length.py",
        "bound) / (2 * JITTER",
        "bound) / (JITTER",
        "core/test_report.py core/learners/test_trajectory_length.py",
    ),
    Fault(
        "core/learners/move_shares.py",
        "full(BETWEEN_TRIAL, BETWEEN_FLOOR)",
        "full(BETWEEN_FLOOR, BETWEEN_TRIAL)",
        "core/learners/test_move_shares.py",
    ),
    Fault(
        "core/metrics/dense_fit.py",
        "RIDGE / positions.count",
        "RIDGE",
        "core/metrics/test_dense_fit.py",
    ),
    Fault(
        "core/charts/conditional.py",
        "(slope[k] / 2 - of_total)",
        "(slope[k] - of_total)",
        "core/charts/test_maps.py",
    ),
    Fault(
        "core/charts/local.py",
        "result / local.unit",
        "result",
        "core/charts/test_maps.py",
    ),
    Fault(
        "core/tempering/ladder.py",
        "array_namespace(ladder.beta).clip(ladder.tried, 1.0, None)",
        "ladder.tried",
        "core/tempering/test_ladder.py",
    ),
    Fault(
        "core/tempering/step.py",
        "swaps.happens & is_later",
        "swaps.happens",
        "core/tempering/test_step.py",
    ),
    Fault(
        "core/trajectory/splitting.py",
        "(1 - 2 * (node % 2)) * (num_steps > 1)",
        "(1 - 2 * (node % 2))",
        "core/trajectory/test_splitting.py",
    ),
    Fault(
        "core/moments/tails.py",
        "+ 4 * xp.sum(along)",
        "+ 2 * xp.sum(along)",
        "core/moments/test_tails.py",
    ),
    Fault(
        "core/tempering/evidence.py",
        "xp.sum((hot - cold) / some, axis=0)",
        "xp.sum(hot - cold, axis=0)",
        "core/tempering/test_evidence.py",
    ),
    Fault(
        "numpyro/extract.py",
        "np.asarray(leaf[k])",
        "np.asarray(leaf[0])",
        "numpyro/test_arviz.py",
    ),
    Fault(
        "numpyro/model/minibatch.py",
        "(subsample_size,), 0, size)",
        "(subsample_size,), 0, size - 1)",
        "numpyro/test_random_forces.py",
    ),
    Fault(
        "pyro/run/tunings.py",
        "iteration - used + 1 + np.arange",
        "iteration - used + np.arange",
        "pyro/test_conformance.py",
    ),
    Fault(
        "pyro/run/record.py",
        "self._room, self._rows, self._count = self._count, {}, 0",
        "self._room, self._count = self._count, 0",
        "pyro/run/test_record.py",
    ),
    Fault(
        "runs/streamed.py",
        "np.repeat(places[::size], size, axis=0)",
        "np.repeat(places[:superchains], size, axis=0)",
        "running/test_streamed.py",
    ),
    Fault(
        "runs/quality.py",
        "draws.mean(axis=(0, 1))) ** 2",
        "draws.mean(axis=1, keepdims=True)) ** 2",
        "running/test_blocks.py",
    ),
    Fault(
        "diagnostics/ends.py",
        "values[:, :-1].astype",
        "values[:, 1:].astype",
        "diagnostics/test_ends.py",
    ),
    Fault(
        "runs/kept.py",
        "if self._store.draws == self.draws:",
        "if self._store.draws > self.draws:",
        "running/test_store.py",
    ),
    Fault("runs/chunks.py", "if 0 in about", "if -1 in about", "running/test_store.py"),
    Fault(
        "core/search/finds.py",
        "xp.full_like(mass, UNUSED)",
        "UNUSED + 0 * mass",
        "core/search/test_turns.py",
    ),
    Fault(
        "core/search/__init__.py",
        "where(beside & ~several, position, starts)",
        "where(beside & several, position, starts)",
        "core/search/test_around.py",
    ),
    Fault(
        "core/search/turns.py",
        "ahead.exists | is_several(known.ends)",
        "ahead.exists | ~is_several(known.ends)",
        "core/search/test_turns.py",
    ),
    Fault(
        "core/learners/archive.py",
        "components=components, within",
        "components=blank, within",
        "core/learners/test_archive.py",
    ),
    Fault(
        "core/learners/grouping.py",
        "is_full & ~first & (lacking > bound)",
        "is_full & first & (lacking > bound)",
        "core/learners/test_stretched.py",
    ),
    Fault(
        "core/learners/grouping.py",
        "taken=seen.taken * _weighs(seen, before, roots)",
        "taken=seen.taken",
        "core/learners/test_stretched.py",
    ),
    Fault(
        "core/learners/grouping.py",
        "where(kept > least, kept, least)",
        "where(kept > least, kept, kept)",
        "core/learners/test_stretched.py",
    ),
    Fault(
        "core/learners/grouping.py",
        "xp.where(own | ~counts, UNUSED",
        "xp.where(own, UNUSED",
        "core/learners/test_stretched.py",
    ),
    Fault(
        "core/tempering/step.py",
        "warmup.remember(at(replicas.learnt, 0), found)",
        "at(replicas.learnt, 0)",
        "numpyro/test_search.py",
    ),
    Fault(
        "core/search/finds.py",
        "~(between < higher + BARRIER)",
        "~(between > higher + BARRIER)",
        "core/search/test_finds.py",
    ),
    Fault(
        "core/learners/grouping.py",
        "xp.any(used != before)",
        "xp.any(used & ~used)",
        "core/learners/test_archive.py",
    ),
    Fault(
        "core/search/corners.py",
        "place - xp.take(modes.centre, origin, axis=0)",
        "place + xp.take(modes.centre, origin, axis=0)",
        "core/search/test_corners.py",
    ),
    Fault(
        "core/search/corners.py",
        "(highest(modes.valley) >= newest)",
        "(highest(modes.valley) < newest)",
        "core/search/test_corners.py",
    ),
    Fault(
        "core/search/lines.py",
        "energy < _highest_before(energy, begins) - BARRIER",
        "energy > _highest_before(energy, begins) - BARRIER",
        "core/search/test_lines.py",
    ),
    Fault(
        "core/learners/carried.py",
        "(components.is_valley == 0)",
        "(components.is_valley > 0)",
        "core/learners/test_archive.py",
    ),
    Fault(
        "core/search/turn.py",
        "ends.has_arrived & ~are_explained(ends, known)",
        "ends.has_arrived & are_explained(ends, known)",
        "core/search/test_turns.py",
    ),
    Fault(
        "diagnostics/known_modes.py",
        "(changes & inside[:, 1:])",
        "(changes & inside[:, :-1])",
        "diagnostics/test_known_modes.py",
    ),
)
