"""A judge that any model's texts can be told apart by: whether they have an even number of letters."""

from suture.registry import judge


@judge("even")
class Even:
    labels = ("odd", "even", "broken")

    def __call__(self, prompt, text):
        letters = sum(map(str.isalpha, text))
        return "broken" if letters < 3 else ("odd", "even")[letters % 2 == 0]

    def __repr__(self):
        return "Even()"
