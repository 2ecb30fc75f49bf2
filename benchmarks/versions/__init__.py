"""What a change of FHL gains or loses on the posteriors, seed by seed."""
