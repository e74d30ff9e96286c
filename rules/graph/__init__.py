"""Operators that are replaced, missing or one too many."""
