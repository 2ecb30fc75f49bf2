"""Why an `MCMC` holds no draws, and what to do about it."""

NOT_RUN = "mcmc holds no draws; call mcmc.run(...) first."

NOT_KEPT = (
    "mcmc has run and holds no draws: fhl_ppl.stream keeps none, those of fhl_ppl.run(..., "
    "keep_draws=False) are in its store (fhl_ppl.open_store), or the run was interrupted before "
    "the first. Call mcmc.run(...), or fhl_ppl.run(mcmc, ...), for draws."
)

ONLY_WARMED_UP = (
    "mcmc holds no draws, as it was warmed up and has not run since; call "
    "mcmc.run(mcmc.post_warmup_state.rng_key, ...). To look at the warm-up, call "
    "mcmc.warmup(..., collect_warmup=True)."
)

NONE_WANTED = "mcmc holds no draws, as num_samples is 0; make an MCMC with a larger one."

NO_LATENT_SITES = (
    "mcmc holds no draws, as the model has no continuous latent site; there is nothing to sample."
)
