"""What the study published of each approach: its setting, where a search starts, and its number with known faults.

No space knows it, and an approach may have none; nothing here imports anything else of the project.
"""
