"""The cure, proven: edits on a copy, judged, and written in the user's own format."""
