"""TFLite flatbuffers as ONNX, without TensorFlow.

`facts` is what a file says, `draft` the ONNX graph as it grows, `call` what one operator's
function is given, `operators` a function for each operator, `importer` the whole.
"""
