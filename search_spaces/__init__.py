"""One small file for each space: `suggest(trial)` says which parameters are searched, over what, and in which role.

A space knows no approach and no sweep; what the study published stands apart in `published/`, and no space imports it.
"""
