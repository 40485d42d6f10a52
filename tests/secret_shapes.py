"""What keys look like, made of random letters."""

import random
import string

SHAPES = [
    "hf_{40}", "api_org_{34}", "sk-{48}", "sk-proj-{40}", "sk-ant-api03-{40}", "r8_{37}", "gsk_{52}", "ghp_{36}", "gho_{36}",
    "github_pat_{60}", "glpat-{20}", "npm_{36}", "pypi-{60}", "AKIA{up16}", "AIza{35}", "ya29.{40}", "xoxb-{24}",
    "sk_live_{24}", "eyJ{20}.eyJ{30}.{40}", "Bearer {32}", "https://me:{20}@host/v1", "https://host/v1?api_key={24}",
    "-----BEGIN PRIVATE KEY-----{60}", "https://f.azure.net/api/go?code={40}", "https://f.azure.net/go?a=b&amp;code={40}", r"https://f.azure.net/go?a=b\u0026code={40}",
    "api_key%3D{24}", "--api-key {24}",
    "https://hooks.slack.com/services/T{8}/B{8}/{24}", "https://discord.com/api/webhooks/123456/{40}",
    "https://api.telegram.org/bot1234567:{35}/send", "password: '{12}'", "postgres://me:{6}@{6}@host/db",
]  # fmt: skip


def filled(shape: str, rng: random.Random) -> tuple[str, list[str]]:
    """Return a text with random letters in its braces, and those letters."""
    made = []
    while "{" in shape:
        begin, end = shape.index("{"), shape.index("}")
        size = shape[begin + 1 : end]
        letters = string.ascii_uppercase if size.startswith("up") else string.ascii_letters
        made.append("".join(rng.choices(letters + string.digits, k=int(size.removeprefix("up")))))
        shape = shape[:begin] + made[-1] + shape[end + 1 :]
    return shape, made
