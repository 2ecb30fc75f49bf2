"""The algorithm, written once, as pure functions on arrays of any array API library.

Randomness, gradients and loops come in as arguments; the same functions run in NumPy, JAX and
PyTorch. Run on NumPy in float64 they are the executable specification that the adapters are
checked against. "Section" in the docstrings means a section of docs/algorithm.md.

=====================================  =============================================
equation                               function
=====================================  =============================================
section 2: leader, rho                 `leader.find_leader`, `leader.pull_rate`
section 2: pull force                  `leader.elastic_displacement`, `metric.weigh`
section 3: elastic leapfrog            `leapfrog.elastic_leapfrog`
section 3: two-stage steps             `splitting.Splitting`
section 4: couplings                   `couplings.alternate`, `couplings.joint`
section 5: random forces               `random_force.RandomForce`
sections 4, 6: one iteration           `transition.transition`
section 7: warm-up                     `adaptation.plan.Plan`, `adaptation.warmup.update`
section 7: settling eta, L, lambda     `adaptation.tuning.tune`
section 7: end of a window             `adaptation.window_end.end_window`
section 7: step size                   `adaptation.dual_averaging`
section 7: mass matrix                 `adaptation.metric`, `adaptation.welford`
section 7: low rank                    `low_rank.LowRankMetric`, `adaptation.low_rank`
section 7: trajectory                  `adaptation.trajectory`, `adaptation.checked_scale`
section 7: pulling strength            `adaptation.strength`
=====================================  =============================================
"""
