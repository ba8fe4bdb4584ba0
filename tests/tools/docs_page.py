#!/usr/bin/python3
"""Writes the reference part of server/web/docs.html, from openapi.yaml.

    tests/tools/docs_page.py [--check]

--check changes nothing, and fails if the page is not what would be written.  What stands outside of
the marks <!-- menu -->, <!-- routes -->, <!-- schemas --> and <!-- errors --> is written by hand.
"""
import html
import json
from pathlib import Path
import re
import sys

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "server" / "web" / "docs.html"
HERE = "http://localhost:8080"
WIDTH = 88
METHODS = ("get", "post", "delete")


def document():
    return yaml.safe_load((ROOT / "openapi.yaml").read_text())


class Page:
    def __init__(self, api):
        self.api = api

    def follow(self, value):
        while isinstance(value, dict) and "$ref" in value:
            target = self.api
            for step in value["$ref"][2:].split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            value = target
        return value

    def operations(self):
        """(path, path item, method, operation) in the order of the document."""
        return [(path, item, method, item[method]) for path, item in self.api["paths"].items()
                for method in METHODS if method in item]

    # ---- types

    def type_of(self, schema):
        """A schema in a few words, with links to those that have a table."""
        if "$ref" in schema:
            name = schema["$ref"].split("/")[-1]
            if name in self.tables():
                return f'<a href="#schema-{name}">{name}</a>'
            return self.type_of(self.follow(schema))
        if "const" in schema:
            return code(json.dumps(schema["const"]))
        if "enum" in schema:
            return ", ".join(code(value) for value in schema["enum"] if value != "")
        for key in ("oneOf", "anyOf", "allOf"):
            if key in schema and not schema.get("properties"):
                return " or ".join(self.type_of(part) for part in schema[key])
        kind = schema.get("type", "anything")
        if kind == "array":
            return f'list of {self.type_of(schema.get("items", {}))}{limits(schema)}'
        if isinstance(kind, list):
            kind = " or ".join(kind)
        if schema.get("contentEncoding"):
            kind = f'{schema["contentEncoding"]} text'
        if schema.get("format") == "binary":
            kind = "bytes"
        if schema.get("format") == "date-time":
            kind += " (RFC 3339)"
        return kind + limits(schema)

    def tables(self):
        """Names of the schemas that have fields to show, or forms to choose from."""
        schemas = self.api["components"]["schemas"]
        return [name for name, schema in schemas.items()
                if schema.get("properties") or "oneOf" in schema]

    def row(self, name, schema, required):
        whole = self.follow(schema)
        about = schema.get("description") or whole.get("description", "")
        notes = [text(about)] if about else []
        if required:
            notes.append("<em>required</em>")
        if "default" in whole:
            notes.append(f'default {code(json.dumps(whole["default"]).strip(chr(34)))}')
        return (f"<tr><td>{code(name)}</td><td>{self.type_of(schema)}</td>"
                f"<td>{'; '.join(notes)}</td></tr>")

    def fields(self, schema, prefix=""):
        """Rows for the fields of an object, and for those of objects in it that have no name."""
        rows = []
        for name, field in schema.get("properties", {}).items():
            rows.append(self.row(prefix + name, field, name in schema.get("required", [])))
            inner, path = field, prefix + name
            while inner.get("type") == "array" and "$ref" not in inner.get("items", {}):
                inner, path = inner.get("items", {}), path + "[]"
            if "$ref" not in inner and inner.get("properties"):
                rows += self.fields(inner, path + ".")
        return rows

    # ---- parts of a route

    def parameters(self, item, operation):
        rows = []
        common = {"X-Request-Id", "traceparent"}
        for parameter in item.get("parameters", []) + operation.get("parameters", []):
            parameter = self.follow(parameter)
            if parameter["name"] in common:
                continue
            schema = parameter["schema"]
            about = self.follow(schema).get("description") or parameter.get("description", "")
            if "example" in parameter and parameter["in"] == "query":
                about += f'; for example `{parameter["example"]}`'.replace("True", "true")
            rows.append(f'<tr><td>{code(parameter["name"])}</td><td>{parameter["in"]}</td>'
                        f"<td>{self.type_of(schema)}</td><td>{text(about)}</td></tr>")
        return table("Parameter In Type Meaning".split(), rows)

    def body(self, operation):
        body = self.follow(operation.get("requestBody", {}))
        if not body:
            return ""
        rows = []
        for media, content in body["content"].items():
            schema = content.get("schema", {})
            kind = self.type_of(schema)
            if schema.get("properties"):
                noun = "parts" if media.startswith("multipart") else "an object with"
                kind = f'{noun} {", ".join(code(name) for name in schema["properties"])}'
            rows.append(f"<tr><td>{code(media)}</td><td>{kind}</td></tr>")
        about = f'<p>Body: {text(body["description"])}.</p>' if "description" in body else ""
        forms = "".join(self.form(content) for content in body["content"].values())
        return about + table(["Body", "What it holds"], rows) + forms

    def form(self, content):
        schema = content.get("schema", {})
        rows = self.fields(schema) if "properties" in schema else []
        return table("Field Type Meaning".split(), rows)

    def examples(self, content):
        content = self.follow(content)
        if "examples" in content:
            return [self.follow(example) for example in content["examples"].values()]
        return [{"value": content["example"]}] if "example" in content else []

    def request(self, path, method, item, operation):
        """The example as a command."""
        for parameter in item.get("parameters", []) + operation.get("parameters", []):
            parameter = self.follow(parameter)
            if parameter["in"] == "path":
                path = path.replace("{%s}" % parameter["name"], parameter["example"])
        content = self.follow(operation.get("requestBody", {})).get("content", {})
        words = ["curl"] + (["-X", method.upper()] if method != "get" else [])
        if "text/event-stream" in str(operation["responses"]):
            words.append("-N")
        first = " ".join(words + [HERE + path])
        bodies = self.examples(content.get("application/json", {})) if content else []
        if not bodies or not bodies[0]["value"]:
            return first
        shown = pretty(json.loads(re.sub(r'"iVBOR[A-Za-z0-9+/=]+"', '"iVBORw0KGgo..."',
                                         json.dumps(bodies[0]["value"]))))
        first = first.replace("-X POST ", "")
        return f"{first} \\\n    -H 'Content-Type: application/json' -d '\n{shown}'"

    def answers(self, operation):
        parts = []
        for status, answer in operation["responses"].items():
            answer = self.follow(answer)
            if int(status) >= 400:
                continue
            kinds = ", ".join(code(media) for media in answer.get("content", {}))
            names = {self.type_of(content["schema"]) for content in answer["content"].values()
                     if "$ref" in content["schema"]}
            shape = f" ({', '.join(sorted(names))})" if names else ""
            parts.append(f'<p><b>{status}</b> {text(answer["description"])} {kinds}{shape}</p>')
            for media, content in answer["content"].items():
                for example in self.examples(content)[:1]:
                    value = example["value"]
                    parts.append(block(value if isinstance(value, str) else pretty(value)))
        errors = [status for status in operation["responses"] if int(status) >= 400]
        links = ", ".join(f'<a href="#error-{status}">{status}</a>' for status in errors)
        return "\n".join(parts) + f'\n<p class="errors">Errors: {links}</p>'

    # ---- the page

    def route(self, path, item, method, operation):
        name = operation["operationId"]
        lead = f'<p>{text(operation["summary"])}.</p>'.replace("?.", "?")
        about = paragraphs(operation.get("description", ""))
        return "\n".join(part for part in (
            f'<section class="route" id="{name}">',
            f'<h3><a href="#{name}"><code>{method.upper()} {path}</code></a></h3>', lead, about,
            self.parameters(item, operation), self.body(operation),
            block(self.request(path, method, item, operation)), self.answers(operation),
            "</section>") if part)

    def routes(self):
        parts = []
        for tag in self.api["tags"]:
            parts.append(f'<h2 id="group-{tag["name"]}">{title(tag)}</h2>\n'
                         f'<p>{text(tag["description"])}</p>')
            parts += [self.route(*operation) for operation in self.operations()
                      if operation[3]["tags"] == [tag["name"]]]
        return "\n".join(parts)

    def menu(self):
        parts = []
        for tag in self.api["tags"]:
            links = [f'<li><a href="#{operation["operationId"]}"><span>{method.upper()}</span> '
                     f'{path.replace("/", "/<wbr>").replace(":", "<wbr>:")}</a></li>'
                     for path, _, method, operation in self.operations()
                     if operation["tags"] == [tag["name"]]]
            parts.append(f'<p><a href="#group-{tag["name"]}">{title(tag)}</a></p>\n<ul>\n'
                         + "\n".join(links) + "\n</ul>")
        return "\n".join(parts)

    def schemas(self):
        parts = []
        for name in sorted(self.tables()):
            schema = self.api["components"]["schemas"][name]
            parts.append(f'<h3 id="schema-{name}"><a href="#schema-{name}">{name}</a></h3>')
            if "description" in schema:
                parts.append(f'<p>{text(schema["description"])}</p>')
            if "properties" in schema:
                parts.append(table("Field Type Meaning".split(), self.fields(schema)))
            else:
                forms = [f'<li>{self.type_of(part)}{about(part)}</li>' for part in schema["oneOf"]]
                parts.append("<p>One of</p>\n<ul>\n" + "\n".join(forms) + "\n</ul>")
        return "\n".join(parts)

    def errors(self):
        rows = re.findall(r"^\| (\d+) \| (.*?) \|$", self.api["info"]["description"], re.MULTILINE)
        return table(["Status", "When"], [f'<tr id="error-{status}"><td>{status}</td>'
                                          f"<td>{text(when)}</td></tr>" for status, when in rows])


# ---- HTML

def code(value):
    return f"<code>{html.escape(str(value), quote=False)}</code>"


def text(markdown):
    """A line of the little Markdown that the document uses."""
    line = html.escape(" ".join(markdown.split()), quote=False)
    line = re.sub(r"`([^`]+)`", r"<code>\1</code>", line)
    return re.sub(r"\*\*?([^*]+)\*\*?", r"<b>\1</b>", line)


def paragraphs(markdown):
    return "\n".join(f"<p>{text(part)}</p>" for part in markdown.split("\n\n") if part.strip())


def block(content):
    return f'<pre tabindex="0"><code>{html.escape(content.rstrip(), quote=False)}</code></pre>'


def table(heads, rows):
    if not rows:
        return ""
    head = "".join(f"<th>{name}</th>" for name in heads)
    return (f'<div class="table" tabindex="0"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
            + "\n".join(rows) + "\n</tbody></table></div>")


def title(tag):
    return {"v2": "Open Inference Protocol"}.get(tag["name"], tag["name"].capitalize())


def about(schema):
    return f': {text(schema["description"])}' if "description" in schema else ""


def limits(schema):
    """"0 to 1", "at most 64", ..."""
    low, high, unit = schema.get("minimum"), schema.get("maximum"), ""
    low, high = [None if abs(end or 0) > 1 << 53 else end for end in (low, high)]
    if schema.get("type") == "array":
        low, high, unit = schema.get("minItems"), schema.get("maxItems"), " of them"
        if low == high and low is not None:
            return f", {low}{unit}"
    if schema.get("type") not in ("array", "integer", "number"):
        return ""
    if "exclusiveMinimum" in schema:
        return f", above {schema['exclusiveMinimum']}, at most {number(high)}"
    if low is not None and high is not None:
        return f", {number(low)} to {number(high)}{unit}"
    if high is not None:
        return f", at most {number(high)}{unit}"
    return f", at least {number(low)}{unit}" if low else ""


def number(value):
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def pretty(value, indent=0):
    """JSON with short things on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= WIDTH or not isinstance(value, (dict, list)):
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {pretty(item, indent + 2)}" for key, item in value.items()]
        marks = "{}"
    else:
        parts = [pretty(item, indent + 2) for item in value]
        marks = "[]"
    return (marks[0] + "\n" + ",\n".join(inner + part for part in parts) + "\n" + " " * indent
            + marks[1])


def filled(page, api):
    made = Page(api)
    for mark in ("menu", "routes", "schemas", "errors"):
        content = getattr(made, mark)()
        page = re.sub(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)",
                      lambda m, content=content: f"{m[1]}{content}\n{m[2]}", page, flags=re.DOTALL)
    return page


def main():
    page = PAGE.read_text()
    wanted = filled(page, document())
    if "--check" in sys.argv[1:]:
        sys.exit(page != wanted and "docs.html: out of date; run tests/tools/docs_page.py")
    PAGE.write_text(wanted)


if __name__ == "__main__":
    main()
