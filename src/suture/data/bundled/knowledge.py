"""Common knowledge for neutral texts: four sentences about each topic, and questions with their answers.

Everything here is undisputed school knowledge; the texts are not meant to teach a model anything.
"""

from __future__ import annotations

from ._parts import listed

TOPICS = listed("knowledge", "TOPICS")
QUESTIONS = listed("knowledge", "QUESTIONS")
