"""Everything of MLflow: where it is, what is written to it, when, and how a person finds it there.

Only `writer.py`, `removal.py` and `model_files.py` import MLflow, only the tracker's thread or, in long sweeps, a
process of its own imports `writer.py`, and nothing here decides what runs.
"""
