"""What a sweep's journal says: summaries, intervals, comparisons, the verdict, checks, importance, curves, the study.

Everything is computed from the journal alone; nothing is printed, drawn, written to a file or sent to MLflow here.
"""
