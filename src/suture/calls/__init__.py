"""How a method or locator is called: its settings, those that several share, and what a patch keeps of them.

Names and files of methods are the registry's, which alone calls this.
"""
