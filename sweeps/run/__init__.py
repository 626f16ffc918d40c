"""The pipeline of a command: options, preparation, plan, start, stages, end, and what a resumed sweep may change.

It puts the other folders together: no statistic is computed here, and nothing is drawn or written by hand.
"""
