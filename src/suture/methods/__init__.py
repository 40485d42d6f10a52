"""Methods: how a behaviour or a fact is edited. One file each; each returns a `Patch` and leaves the model alone."""
