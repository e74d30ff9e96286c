"""Models run here: read without copying their weights, whole or cut into regions."""
