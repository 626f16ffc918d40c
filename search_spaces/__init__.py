"""One small file an approach: `suggest(trial)` says which parameters are searched, over what, and in which role.

A space knows no approach and no sweep; what the study published stands apart in `published/`, and no space imports it.
"""
