"""The journal of a sweep: what it is, how it was started, and every configuration with its seeds.

Only reading, writing and validating stands here; which configurations there are and what they mean is decided above.
"""
