"""Everything of MLflow: where it is, what is written to it, when, and how a person finds it there.

Only `writer.py`, which the tracker's thread or, in long sweeps, a process of its own imports, and `model_files.py`
import MLflow, and nothing here decides what runs.
"""
