"""Learners, one file for each family, and `seed_trainable.py`, the one Ray Tune trainable that runs them all.

A learner knows nothing of Ray, of a sweep or of a search space; what several learners share stands in `parts/`.
"""
