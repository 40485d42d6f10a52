"""What a patch is turned into for other programs: one file a format, each with a check that what was written does the same.

    export(lm, patch, out, ...) -> Exported          write it; `Exported.check(prompts)` is the check below
    check(lm, patch, out, prompts) -> Check          read it back and compare its effect with the patch's

lora (PEFT), gguf_lora and gguf_control (llama.cpp), checkpoint (transformers); card and sums go with any of them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
