"""Locators: where a behaviour sits. One file each; each returns a `Region` of the weights or a `Direction` of the activations."""
