"""Everything of MLflow: where it is, what is written to it, when, and how a person finds it there.

Only `writer.py` imports MLflow, only the tracker's thread imports `writer.py`, and nothing here decides what runs.
"""
