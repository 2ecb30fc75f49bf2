"""The algorithm, as pure functions on arrays of any array API library."""
