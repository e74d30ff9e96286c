"""The operators, one function each, by family."""
