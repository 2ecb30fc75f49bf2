"""NumPyro models: MODELS[name](data) is a model without arguments."""

from benchmarks.posteriors import (
    densities,
    hidden_markov,
    hierarchical,
    regressions,
    simulated,
    time_series,
)

MODELS = {
    "arK-arK": time_series.autoregression,
    "bball_drive_event_1-hmm_drive_1": hidden_markov.hmm_drive,
    "hmm_example-hmm_example": hidden_markov.hmm_example,
    "earnings-logearn_interaction": regressions.logearn_interaction,
    "mesquite-mesquite": regressions.mesquite,
    "nes2000-nes": regressions.nes,
    "eight_schools-eight_schools_noncentered": hierarchical.eight_schools,
    "garch-garch11": time_series.garch,
    "gp_pois_regr-gp_regr": densities.gaussian_process,
    "hudson_lynx_hare-lotka_volterra": time_series.lotka_volterra,
    "ig-brownian_unknown_scales": time_series.brownian_motion,
    "ig-german_logistic": regressions.german_logistic,
    "ig-german_sparse": regressions.german_sparse,
    "ig-item_response": hierarchical.item_response,
    "ig-stochastic_volatility_small": time_series.stochastic_volatility,
    "ig-radon_mn": hierarchical.radon,
    "analytic-illcond_gaussian_100": densities.gaussian,
    "analytic-funnel_10": densities.funnel,
    "sim-raw_regression": simulated.raw_regression,
    "sim-overdispersed_counts": simulated.overdispersed_counts,
    "sim-absorption": simulated.absorption,
    "sim-latent_counts": simulated.latent_counts,
    "sim-ordered_mixture": simulated.ordered_mixture,
    "sim-spatial_counts": simulated.spatial_counts,
    "sim-survival": simulated.survival,
}
