"""Patches on disk: put on a checkpoint of any size and taken off, a few rows in memory at a time, safe against crashes.

    disk.py      every change of a disk, in one place        header.py   strict reader of a shard's header
    folder.py    the parts of a checkpoint                   unsupported.py quantised and tied tensors
    rows.py      rows of a tensor: read, changed, hashed     undo.py     base bits of touched rows, kept
    ledger.py    suture.json                                 stack.py    the patches on a checkpoint
    fitting.py   does a patch fit, and where                 plan.py     all hashes, before a byte is written
    output.py    a new folder, whole or not at all           inplace.py  changed where it lies
    survey.py    what a change of one tensor gives           surveys.py  of all: every hash from one reading
    quick.py     the touched rows alone, the rest believed   spans.py    neighbouring rows together
    limits.py    changes that nobody means                   forecast.py what a verb will read, write and hold
    pool.py      several tensors side by side                verbs.py    apply, revert
    locks.py     one writer at a time                        reading.py  the one way to open for reading
    difference.py the patch between two                      unsaid.py   what no change can give
    verify.py, fsck.py

Knows torch, never transformers, and never loads a model.
"""
