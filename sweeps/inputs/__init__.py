"""Images, weights and feature tables: found once, by the driver, checked and fingerprinted.

Workers never look for any or download anything, and no stage is known here.
"""
