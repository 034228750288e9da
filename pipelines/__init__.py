"""The journeys: how a model earns its place in the registry.

Data by digest, training, evaluation, card, registration. Knows nothing of HTTP.
"""
