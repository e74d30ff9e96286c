"""Axes and shapes between operators."""
