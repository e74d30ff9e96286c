"""Settings of an operator."""
