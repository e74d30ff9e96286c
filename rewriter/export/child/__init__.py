"""What a framework itself has to do to write a repaired model, in its own process."""
