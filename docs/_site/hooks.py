"""What makes the site whole in itself: fonts, diagrams and search come with it, and no page asks another host for anything."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path
from typing import Any

import mkdocs
from mkdocs.exceptions import PluginError
from mkdocs.utils import get_relative_url

HERE = Path(__file__).parent
FONTS = Path(mkdocs.__file__).parent / "themes" / "readthedocs" / "css" / "fonts"  # Lato, in mkdocs' other theme
LOADED = re.compile(  # what a browser fetches by itself; links that a reader follows are none
    r"""<(?:script|img|iframe|source|audio|video|embed)\b[^>]*?\bsrc=["']?((?:https?:)?//[^"'\s>]+)
    |<link\b(?=[^>]*\brel=["']?(?:stylesheet|preconnect|preload|prefetch|dns-prefetch|icon|modulepreload))
        [^>]*?\bhref=["']?((?:https?:)?//[^"'\s>]+)
    |@import\s*(?:url\()?["']?((?:https?:)?//[^"')\s]+)
    |\burl\(\s*["']?((?:https?:)?//[^"')\s]+)""",
    re.VERBOSE | re.IGNORECASE,
)
HOSTS = re.compile(r"""["'`](https?://(?:unpkg\.com|cdn\.[\w.-]+|cdnjs\.[\w.-]+|fonts\.[\w.-]+)/[^"'`]*)["'`]""")


def on_page_markdown(markdown: str, **kwargs: Any) -> str:  # noqa: ANN401 - mkdocs' own
    """Let the links of diagrams lead to pages of the site; in the source they lead to files, as all links there."""
    return re.sub(r'^( *click \w+ "[^"]+)\.md"', r'\1.html"', markdown, flags=re.MULTILINE)


def on_page_content(html: str, **kwargs: Any) -> str:  # noqa: ANN401 - mkdocs' own
    """Keep numbers in tables with their per cent signs."""
    return re.sub(r"<td[^>]*>[^<]*", lambda cell: re.sub(r"(?<=\d) (?=%)", "\N{NO-BREAK SPACE}", cell[0]), html)


def on_post_page(output: str, *, page: Any, config: Any) -> str:  # noqa: ANN401 - mkdocs' own
    """Load the program that draws diagrams, on pages that have one."""
    if 'class="mermaid"' not in output:
        return output
    path = get_relative_url("assets/javascripts/mermaid.js", page.url)
    return output.replace("</head>", f'<script src="{path}"></script></head>', 1)


def on_post_build(*, config: Any) -> None:  # noqa: ANN401 - mkdocs' own
    """Put fonts and programs into the site; end with an error when anything of another host is loaded by it."""
    site = Path(config.site_dir)
    scripts, fonts = site / "assets" / "javascripts", site / "assets" / "fonts"
    (scripts / "mermaid.js").write_bytes(gzip.decompress((HERE / "mermaid.tiny.js.gz").read_bytes()))
    shutil.copy(HERE / "iframe-worker.js", scripts)
    shutil.copy(HERE / "suture.css", site / "assets" / "stylesheets")
    fonts.mkdir(exist_ok=True)
    for font in ("lato-normal", "lato-normal-italic", "lato-bold", "lato-bold-italic"):
        shutil.copy(FONTS / f"{font}.woff2", fonts)
    for script in scripts.glob("bundle.*.js"):  # the theme would fetch what is here, or what every browser has
        script.write_text(HOSTS.sub('"data:text/javascript,"', script.read_text(encoding="utf-8")), encoding="utf-8")
    found = foreign(site)
    if found:
        raise PluginError("the site loads from other hosts:\n" + "\n".join(found))


def foreign(site: Path) -> list[str]:
    """Return what a page, style or program of the site would fetch from another host: file and address."""
    found = []
    for file in sorted(site.rglob("*")):
        if file.suffix not in (".html", ".css", ".js"):
            continue
        text = file.read_text(encoding="utf-8")
        pattern = HOSTS if file.suffix == ".js" else LOADED
        for match in pattern.finditer(text):
            found.append(f"{file.relative_to(site)}: {next(filter(None, match.groups()))}")
    return found
