"""What If, Loop and Scan hold inside: laid open, paired, compared like any two models."""
