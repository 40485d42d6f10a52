"""What a change will do, computed and checked before anything is written.

No byte of a weight is written here.
"""
