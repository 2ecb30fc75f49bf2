"""Moving along a force: steps, how kicks share it, and the drift between them (section 3)."""
