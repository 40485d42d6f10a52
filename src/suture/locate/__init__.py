"""Locators: where a behaviour sits. One file each; each returns a `Region`."""
