"""A caller as the registry's rules know him, and which versions he watches over beside those that he sees."""

from __future__ import annotations

from typing import Final

from registry.rules import Actor
from services.callers import Caller
from services.roles import AUDIT_ALL, MODELS_RELEASE, MODELS_REVIEW, MODELS_SUSPEND

WATCHING: Final = (MODELS_REVIEW, MODELS_RELEASE, MODELS_SUSPEND, AUDIT_ALL)


def actor_of(caller: Caller) -> Actor:
    """The facts of a caller that the rules of review and release ask for."""
    return Actor(caller.subject.id, caller.subject.kind, caller.role, caller.tenant, caller.platform)


def oversees(caller: Caller) -> bool:
    """Whether the caller reads the papers of every organisation's models: who reviews, releases, stops or inspects."""
    return caller.platform and any(caller.may(scope) for scope in WATCHING)
