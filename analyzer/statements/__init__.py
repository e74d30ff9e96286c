"""What a file states beside its operators, held against what they have."""
