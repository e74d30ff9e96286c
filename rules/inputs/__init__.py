"""What a model expects of its input's shape."""
