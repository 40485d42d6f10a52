"""Files: read with every check, written whole or not at all; rows of users' files; the network.

Knows what a file is, not what is in it means.
"""
