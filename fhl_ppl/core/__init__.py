"""The algorithm, written once, as pure functions on arrays of any array API library.

Randomness, gradients and loops come in as arguments; the same functions run in NumPy, JAX and
PyTorch. Run on NumPy in float64 they are the executable specification that the adapters are
checked against. "Section" in the docstrings means a section of docs/algorithm.md; docs/design.md
has the map. To read it, begin with `sampler.step`, `iteration.iterate` and `warmup.learn`.

==================================  ================================================
what                                where
==================================  ================================================
one step of the sampler             `sampler.step`
section 2: leader, rho              `leader.find_leader`, `leader.pull_rate`
section 2: pull force               `leader.elastic_displacement`, `metrics.weigh`
section 3: elastic leapfrog         `trajectory.leapfrog.elastic_leapfrog`
section 3: a better drift           `trajectory.reference`
section 3: two-stage steps          `trajectory.splitting.Splitting`
section 4: couplings                `couplings.alternate`, `couplings.joint`
section 5: energy and force         `target.Target`, `target.Plain`
section 5: random forces            `target.random_force.RandomForce`
sections 4, 6: one iteration        `iteration.iterate`, `metropolis.keep`
section 7: warm-up                  `warmup.learn`, `plan.Plan`
section 7: eta, L, lambda           `tuning.tune`, `tuning_ahead.tune_ahead`
section 7: windows                  `learners.windows`
section 7: mass matrix              `learners.metric`, `metrics.dense_fit`
section 7: low rank                 `metrics.low_rank`, `metrics.low_rank_fit`
section 7: moments                  `learners.moments`, `moments.welford`
section 7: trajectory               `learners.trajectory_length`, `moments.principal_scale`
section 7: step size                `learners.step_size`, `learners.lost_proposals`
section 7: unseen steps             `learners.unseen_steps`
section 7: pulling strength         `learners.pull`
section 8: jumps                    `moves.JUMPS`, `moves.jump`
section 8: which move when          `moves.choice`, `learners.move_shares`
section 8: what jumps draw from     `learners.fitted_gaussian`
section 9: what warm-up settled on  `report.report`, `statistics.STATISTICS`
section 11: charts                  `learners.chart`, `charts`, `target.charted.Charted`
section 12: evidence                `evidence.bridge`
==================================  ================================================
"""
