"""The pipeline of a command: options, preparation, plan, start, stages, end, and what a resumed sweep may change.

It puts the other folders together; nothing here computes, formats or stores anything itself.
"""
