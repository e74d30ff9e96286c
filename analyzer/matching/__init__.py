"""Which parts of two models belong together, and why."""
