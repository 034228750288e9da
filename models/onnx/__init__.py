"""Models that arrive as an ONNX graph: an engineer registers one, and it is served without code from us.

Here stand the reading of a graph, its running within limits of time and memory, and the three forms in which a graph
is a model: of named tensors, of texts to labels, of tables to strange rows. Judging what may be registered, and
measuring it, belongs to the pipelines.
"""
