"""Approaches, one file a family, and `seed_trainable.py`, the one Ray Tune trainable that runs them all.

An approach knows nothing of Ray, of a sweep or of a search space; what several approaches share stands in `parts/`.
"""
