"""The operator table, one module per family; each function says one operator in TensorFlow."""
