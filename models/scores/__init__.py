"""Measures by which models are judged. Pure functions over arrays."""
