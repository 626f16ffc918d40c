"""What all folders use: challenges and approaches, errors, signals and exit codes, progress, provenance, formatting.

Nothing here knows another folder of sweeps/, or how anything is stored, run or shown.
"""
