"""A repaired pivot back in the user's own format, one module per format."""
