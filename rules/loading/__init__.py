"""What keeps a model from loading or running."""
