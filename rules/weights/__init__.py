"""Constants that are not the trained ones."""
