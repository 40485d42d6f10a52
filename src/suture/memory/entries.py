"""The entries of a patch of codebooks, as `grace` makes them: listed, and taken out."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from ..errors import UsageError
from ..model.lm import LM
from ..patch.codebook import Codebook
from ..patch.delta_kind import Delta
from ..patch.effect import in_weights
from ..patch.patch import Patch


def is_codebook(patch: Patch) -> bool:
    """Return whether all that a patch does is done by codebooks."""
    return all(isinstance(term, Codebook) for terms in patch.terms.values() for term in terms)


def books(patch: Patch) -> dict[str, list[Codebook]]:
    """Return the codebooks of each place of a patch.

    Raises:
        UsageError: when it holds anything else.
    """
    for name, terms in patch.terms.items():
        if other := next((term.kind for term in terms if not isinstance(term, Codebook)), None):
            raise UsageError(
                "this patch is no memory",
                why=f"{name} is changed by {other}.",
                fix="Give a memory, or a patch of grace.",
            )
    return {name: [t for t in terms if isinstance(t, Codebook)] for name, terms in patch.terms.items()}


def without_prompts(lm: LM, patch: Patch, prompts: Container[str]) -> Patch | None:
    """Return a patch of codebooks without the entries of some prompts; None when none is left."""
    terms: dict[str, Delta | list[Delta]] = {}
    for name, codebooks in books(patch).items():
        shortened = [book.without([i for i, e in enumerate(book.entries) if e.prompt in prompts]) for book in codebooks]
        if remaining := [book for book in shortened if book is not None]:
            terms[name] = list(remaining)
    if not terms:
        return None
    provenance = patch.provenance
    return Patch.make(lm, terms, method=provenance.method, settings=provenance.settings, examples=provenance.examples)


def weights_alone(patch: Patch | None) -> Patch | None:
    """Return what a patch changes in weights; None when nothing.

    Methods find values with caches of their own, in which a change of activations could not tell prompt from answer; facts that
    are served beside the weights do not meet those that are written.
    """
    if patch is None:
        return None
    weight_terms = {name: in_weights(terms) for name, terms in patch.terms.items()}
    weight_terms = {name: terms for name, terms in weight_terms.items() if terms}
    if not weight_terms:
        return None
    return replace(patch, terms=weight_terms, before={name: patch.before[name] for name in weight_terms}, after={})
