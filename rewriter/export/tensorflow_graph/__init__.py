"""A pivot as a TensorFlow program: SavedModel, frozen graph or TFLite, operator by operator.

It runs where TensorFlow may be imported, in the frontends' child, which loads `entry`.
"""
