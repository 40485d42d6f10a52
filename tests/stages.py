"""A run that is killed at the end of each of its stages: what is made before is not made again."""

from contextlib import contextmanager

from suture.errors import SutureError
from suture.runs.run import Run


class Passes:
    """Counts how often a model is run."""

    def __init__(self, lm):
        self.count, self.module = 0, lm.model

    def __enter__(self):
        self.hook = self.module.register_forward_pre_hook(self._seen)
        return self

    def __exit__(self, *_):
        self.hook.remove()

    def _seen(self, *_):
        self.count += 1


@contextmanager
def killed_after(monkeypatch, number):
    """Stop right after the n-th stage of a run is kept."""
    event, made = Run.event, 0

    def told(run, stage, **figures):
        nonlocal made
        event(run, stage, **figures)
        made += stage == "made"
        if stage == "made" and made == number:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Run, "event", told)
        yield


def stages(folder):
    """Return the names of what a run made, in order."""
    from suture.runs.run import events

    return [event["of"] for event in events(folder) if event["stage"] == "made"]


def check_every_end(monkeypatch, lm, work, folder, same):
    """Kill a run at the end of its first stage, go on to the end of the second and kill it again, and so on.

    No pass is made twice: all the pieces together ask the model as often as a run that nobody stops.
    Returns the names of the stages.

    Args:
        monkeypatch: pytest's.
        lm: the model that is asked.
        work: does the whole in a folder.
        folder: for both runs.
        same: compares two folders.
    """
    with Passes(lm) as whole:
        work(folder / "whole")
    names, cut = stages(folder / "whole"), folder / "cut"
    with Passes(lm) as passes:
        for number in range(1, len(names) + 1):
            with killed_after(monkeypatch, 1):
                try:
                    work(cut)
                except (KeyboardInterrupt, SutureError):
                    pass
            assert stages(cut) == names[:number], f"killed after {names[number - 1]}"
        work(cut)
    assert stages(cut) == names
    assert passes.count == whole.count
    same(folder / "whole", cut)
    return names
