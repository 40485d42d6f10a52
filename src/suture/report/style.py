"""The looks of the page, for light and dark. The colours of the pictures can be told apart without colour vision."""

SIGNS = {"good": "\u2713 ", "bad": "! ", "": ""}  # beside the colour
STYLE = """
:root{color-scheme:light dark;--fg:#1c2430;--bg:#fff;--mute:#5d6878;--line:#e1e5eb;--soft:#f3f5f8;--good:#00735c;
--bad:#b54708;--base:#8d98a8;--edit:#2563eb;--s1:#0068ad;--s2:#8a6d00;--s3:#007a5e;--s4:#a3458a;--s5:#0b7c99;--s6:#5b5fc7}
@media(prefers-color-scheme:dark){:root{--fg:#e6e9ef;--bg:#12161d;--mute:#9aa5b5;--line:#2b3340;--soft:#1b212b;
--good:#3fd0a8;--bad:#ff9f5a;--base:#77839a;--edit:#6ea8ff;--s1:#5db4f0;--s2:#e8c547;--s3:#3fd0a8;--s4:#e58fcb;
--s5:#67dcf0;--s6:#a9a5ff}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);margin:0 auto;
max-width:1120px;padding:24px 16px 64px}h1{font-size:1.5rem;margin:0 0 4px}h2{font-size:1.15rem;margin:40px 0 8px}
h3{font-size:1rem;margin:16px 0 6px}.mute,figcaption{color:var(--mute)}.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}td,th{padding:7px 10px;border-bottom:1px solid var(--line);text-align:right;
white-space:nowrap;vertical-align:top}th{font-weight:600;color:var(--mute);font-size:.85rem}
td:first-child,th:first-child{text-align:left;white-space:normal;min-width:190px}
small{color:var(--mute);display:block}.good{color:var(--good)}.bad{color:var(--bad)}
.bars{display:block;margin-left:auto}figure{margin:0;min-width:0}figcaption{font-size:.87rem;margin-top:4px;max-width:60ch}
figure h3{margin:12px 0 4px}.columns{columns:420px 2;column-gap:36px}.columns figure{break-inside:avoid;padding-bottom:8px}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:28px 36px}
.headline{background:var(--soft);border-radius:10px;padding:6px 16px;margin:18px 0 0;list-style:none}
.headline li{border-left:4px solid var(--base);padding:2px 0 2px 12px;margin:12px 0}.headline b{display:block}
.headline .good{border-color:var(--good)}.headline .bad{border-color:var(--bad)}.headline span{color:var(--fg)}
summary{cursor:pointer;color:var(--mute);margin:8px 0}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:10px;margin:6px 0 18px}.pair>div{background:var(--soft);
border-radius:8px;padding:10px 12px;overflow-wrap:anywhere}.prompt{margin:14px 0 0;font-weight:600}
.tag{font-size:.75rem;color:var(--mute);text-transform:uppercase;letter-spacing:.04em}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);padding:12px;border-radius:8px}
@media(max-width:640px){.pair{grid-template-columns:1fr}td,th{padding:7px 6px}td:first-child,th:first-child{min-width:130px}}
"""
