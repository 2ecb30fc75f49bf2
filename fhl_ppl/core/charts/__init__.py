"""Changes of coordinates learnt in warm-up, exact by their Jacobian (section 11)."""
