"""What is measured, one file a property. `observe` is costly and needs a model; `score` is pure.

    observe(lm, cases, progress) -> Observation       cached for the base model, repeated for every patch
    score(before, after) -> Score                     paired: the same cases in the same order
    same_work(cases), again(cases, made)              if there: measures of the same texts share them
    UNIT                                              of its figures; a share if it has none

Metrics see models and cases, never patches or methods: an evaluation can not know what it evaluates.
"""
