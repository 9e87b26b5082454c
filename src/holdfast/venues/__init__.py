"""
One folder per venue, all of the same shape; nothing in one knows another.

A folder exports one value, its ``Venue``. What is needed to write a new one stands in this folder's README.
"""
