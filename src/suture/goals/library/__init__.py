"""Goals that suture knows, one file each: a function of the file's name, marked `@goal`, returns its `Preset`.

Only data: what is wanted, by which texts and which judge, and how it is looked for. Nothing heavy is imported here.
"""
