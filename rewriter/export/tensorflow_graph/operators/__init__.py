"""The operator table, a module per family; a function says an operator in TensorFlow."""
