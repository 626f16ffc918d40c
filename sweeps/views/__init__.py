"""What a person and other programs get of a sweep: console, files, and the report with its figures and templates.

Everything here is a projection of the journal and its summary and can be made again; nothing here computes a statistic.
"""
