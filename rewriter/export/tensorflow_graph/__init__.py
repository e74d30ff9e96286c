"""A pivot as a TensorFlow program, operator by operator: SavedModel, frozen or TFLite.

It runs where TensorFlow may be imported, in the frontends' child, which loads `entry`.
"""
