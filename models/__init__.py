"""The ground floor: what a model is and how it computes.

Pure and offline: no web, no database, no Ray, no MLflow, no environment. Every function here can be
called from a notebook, a batch job or a replica and gives the same answer.
"""
