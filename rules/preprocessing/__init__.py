"""What a model expects of its input's values."""
