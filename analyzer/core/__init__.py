"""The vocabulary every stage speaks; it imports nothing else of ours."""
