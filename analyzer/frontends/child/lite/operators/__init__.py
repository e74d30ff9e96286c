"""A function for each TFLite operator, by family."""
