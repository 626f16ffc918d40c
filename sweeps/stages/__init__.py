"""Which tasks a sweep has, and what becomes of them: search, confirmation, shot curve, reproduction of the study.

It knows Optuna and the journal; nothing in here knows Ray, which the engine runs these tasks on, or prints results.
"""
