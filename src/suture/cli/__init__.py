"""The command line: one file a verb, thin over the library. Nothing in the library imports it."""
