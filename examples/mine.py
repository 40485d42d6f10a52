"""A method of your own in one file. Run it: suture edit examples/mine.py patient --data examples/labelled.jsonl --push 0.2."""

from suture import LM, Behaviour, Patch
from suture.methods.steering import steering
from suture.registry import method


@method
def mine(lm: LM, behaviour: Behaviour, *, push: float = 0.1) -> Patch:
    """Steer the last block alone.

    Args:
        lm: the model; not changed.
        behaviour: what to change.
        push: how far, in mean lengths of that block's states.
    """
    return steering(lm, behaviour, layers=[lm.anatomy.layers - 1], strength=push)
