"""The document as a page for people: plain HTML, made here, with no script and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
code, pre { font: 0.9em/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; background: var(--soft); padding: 0.75rem; border-radius: 6px; }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.5rem 0; padding: 0.4rem 0.75rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
summary b { display: inline-block; min-width: 4.5rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; border-top: 1px solid var(--line); }
nav a { margin-right: 1rem; }
"""
_digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REF = "#/components/schemas/"


def page(document: dict[str, Any], schema_url: str) -> str:
    """The whole page. Everything in it is escaped, also what plugins named."""
    info = document["info"]
    nouns = [tag["name"] for tag in document["tags"]]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(info['title'])} REST API</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(info['title'])} REST API {escape(info['version'])}</h1>",
        *(f"<p>{_text(part)}</p>" for part in info["description"].split("\n\n")),
        f'<p>The same for programs: <a href="{escape(schema_url)}">openapi.json</a>.</p>',
        "<nav>",
        *(f'<a href="#{escape(noun)}">{escape(noun)}</a>' for noun in nouns),
        '<a href="#schemas">schemas</a></nav>',
    ]
    for tag in document["tags"]:
        parts.append(f'<h2 id="{escape(tag["name"])}">{escape(tag["name"])}</h2><p>{_text(tag["description"])}</p>')
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if operation["tags"] == [tag["name"]]:
                    parts += _operation(method, path, operation)
    parts.append('<h2 id="schemas">schemas</h2>')
    for name, schema in document["components"]["schemas"].items():
        parts.append(f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>')
        parts.append(f"<pre>{_json(schema)}</pre></details>")
    parts.append("</body></html>")
    return "\n".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> list[str]:
    who = "a bearer token" if operation.get("security") == [{"bearer": []}] else "anybody"
    parts = [
        f'<details id="{escape(operation["operationId"])}"><summary><b>{escape(method.upper())}</b>'
        f" <code>{escape(path)}</code> {_text(operation['summary'])}</summary>",
        f"<p>{_text(operation.get('description', ''))}</p><p>Asked by: {who}.</p>",
    ]
    if operation["parameters"]:
        parts.append("<table><tr><th>parameter</th><th>in</th><th></th></tr>")
        for parameter in operation["parameters"]:
            needed = "required" if parameter["required"] else ""
            told = f"{_text(parameter.get('description', ''))} <code>{_json(parameter['schema'], None)}</code>"
            parts.append(
                f"<tr><td><code>{escape(parameter['name'])}</code> {needed}</td>"
                f"<td>{escape(parameter['in'])}</td><td>{told}</td></tr>"
            )
        parts.append("</table>")
    if "requestBody" in operation:
        parts.append(f"<p>Body: {_kind(operation['requestBody']['content'])}</p>")
    parts.append("<table><tr><th>answer</th><th></th><th></th></tr>")
    for status, response in operation["responses"].items():
        parts.append(
            f"<tr><td>{escape(status)}</td><td>{_kind(response['content']) if 'content' in response else ''}</td>"
            f"<td>{_text(response['description'])}</td></tr>"
        )
    parts.append("</table></details>")
    return parts


def _kind(content: dict[str, Any]) -> str:
    (media, described), *_ = content.items()
    schema = described["schema"]
    ref = schema.get("$ref", "")
    if ref:
        name = ref.removeprefix(_REF)
        return f'<a href="#{escape(name)}"><code>{escape(name)}</code></a>'
    return f"<code>{escape(media) if schema == {'type': 'string'} else _json(schema, None)}</code>"


def _json(value: Any, indent: int | None = 2) -> str:
    return escape(json.dumps(value, indent=indent, ensure_ascii=False))


def _text(text: str) -> str:
    """Escaped, with what stands in backticks as code."""
    return re.sub(r"``?([^`]+)``?", r"<code>\1</code>", escape(text))
