#!/usr/bin/python3
"""openapi.yaml against itself, the server's routes, defaults and errors, and the page made of it.

python3-yaml is needed, python3-jsonschema used where it is.  That the document is valid OpenAPI is
looked at by tests/http/schemathesis_run.py, whose tools are not in Debian.
"""
import json
from pathlib import Path
import re
import sys
import unittest

try:
    import yaml
except ImportError:
    raise unittest.SkipTest("python3-yaml is not installed")
try:
    import jsonschema
except ImportError:
    jsonschema = None

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "tools"))
import docs_page  # noqa: E402

API = yaml.safe_load((ROOT / "openapi.yaml").read_text())
PAGE = docs_page.Page(API)
DOCS = docs_page.PAGE.read_text()
ROUTES = ROOT / "server" / "api" / "routes.c"
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def walk(value, path="#"):
    """(path, value) of everything in the document."""
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) \
        if isinstance(value, list) else ()
    for key, member in inner:
        yield from walk(member, f"{path}/{key}")


def is_example(path):
    return re.search(r"/(example|examples|default|const|enum)(/|$)", path)


def operations():
    return {f"{method.upper()} {path}": operation
            for path, _, method, operation in PAGE.operations()}


def server_routes():
    """{"GET /v1/models": (scope or None, public)} of the table in C."""
    text = ROUTES.read_text()
    table = re.search(r"api_routes\[\] = \{\n(.*?)^\};", text, re.DOTALL | re.MULTILINE)[1]
    names = dict(re.findall(r"#define (\w+) HTTP_SCOPE_(\w+)", text))
    routes = {}
    for row in re.findall(r"\{(\.methods.*?)\}(?=,\n)", table, re.DOTALL):
        field = dict(re.findall(r"\.(\w+) = \"?([^\",]+)\"?", row))
        scope = field.get("scope")
        for method in field["methods"].split():
            routes[f"{method} {field['pattern']}"] = (
                names.get(scope, scope and scope.removeprefix("HTTP_SCOPE_")),
                "HTTP_PUBLIC" in field.get("flags", ""))
    return routes


def defaults():
    settings = json.loads((ROOT / "config" / "layermaskd.json").read_text())
    found = {}
    for name, value in settings.items():
        size = re.fullmatch(r"(\d+)([kmg]?)", str(value))
        if size:
            found[name] = int(size[1]) * UNITS[size[2]]
    return found


class Document(unittest.TestCase):
    def test_version(self):
        self.assertRegex(API["openapi"], r"^3\.1\.")

    def test_references(self):
        used = set()
        for path, value in walk(API):
            if isinstance(value, dict) and "$ref" in value and not is_example(path):
                self.assertEqual(list(value), ["$ref"], path)
                self.assertTrue(value["$ref"].startswith("#/"), path)
                PAGE.follow(value)
                used.add(value["$ref"])
        for kind, parts in API["components"].items():
            if kind in ("securitySchemes", "responses"):  # 405 belongs to no operation
                continue
            for name in parts:
                self.assertTrue(any(f"#/components/{kind}/{name}" in reference
                                    for reference in used), f"{kind}/{name} is not used")

    def test_operations(self):
        names = [operation["operationId"] for operation in operations().values()]
        self.assertEqual(len(names), len(set(names)))
        tags = {tag["name"] for tag in API["tags"]}
        for path, item, method, operation in PAGE.operations():
            with self.subTest(f"{method} {path}"):
                self.assertTrue(operation["summary"])
                self.assertLessEqual(set(operation["tags"]), tags)
                statuses = {int(status) for status in operation["responses"]}
                self.assertTrue({200, 501} & statuses)
                self.assertLessEqual({400, 413, 414, 415, 431, 503}, statuses)
                self.assertEqual({401, 429} <= statuses, operation.get("security") != [])
                parameters = [PAGE.follow(p) for p in item.get("parameters", [])
                              + operation.get("parameters", [])]
                self.assertEqual({p["name"] for p in parameters if p["in"] == "path"},
                                 set(re.findall(r"\{(\w+)\}", path)))
                for status, answer in operation["responses"].items():
                    answer = PAGE.follow(answer)
                    self.assertIn("X-Request-Id", answer["headers"], status)
                    self.assertTrue(answer["description"] and answer["content"], status)

    def test_examples_are_there(self):
        """For every JSON that is sent or answered."""
        for path, value in walk(API):
            if isinstance(value, dict) and re.search(r"/content/application/json$", path) \
                    and not re.search(r"parameters/\w+/content", path) \
                    and "503" not in path:
                self.assertTrue("example" in value or "examples" in value, path)

    @unittest.skipUnless(jsonschema, "python3-jsonschema is not installed")
    def test_examples(self):
        checked = 0
        for path, value in walk(API):
            if not isinstance(value, dict) or "schema" not in value or is_example(path):
                continue
            examples = [value["example"]] if "example" in value else []
            examples += [PAGE.follow(e)["value"] for e in value.get("examples", {}).values()]
            schema = {"allOf": [value["schema"]], "components": API["components"]}
            jsonschema.Draft202012Validator.check_schema(schema)
            for example in examples:
                with self.subTest(path):
                    jsonschema.Draft202012Validator(schema).validate(example)
                    checked += 1
        self.assertGreater(checked, 50)

    def test_requests_are_strict(self):
        """Objects that are read have no unknown fields; those of Triton's protocol may have."""
        schemas = API["components"]["schemas"]
        seen = set()

        def look(schema, where):
            if "$ref" in schema:
                name = schema["$ref"].split("/")[-1]
                if name in seen or name.startswith("V2"):
                    return
                seen.add(name)
                schema, where = schemas[name], name
            if "properties" in schema:
                self.assertIs(schema.get("additionalProperties"), False, where)
            for key, part in schema.get("properties", {}).items():
                look(part, f"{where}.{key}")
            for part in schema.get("oneOf", []):
                if part.keys() != {"required"}:
                    look(part, where)
            if "items" in schema:
                look(schema["items"], where)

        look({"$ref": "#/components/schemas/PredictRequest"}, "")
        look({"$ref": "#/components/schemas/ExplainRequest"}, "")
        self.assertLessEqual({"PredictInstance", "RegionBox", "SegmentationObject"}, seen)


class Server(unittest.TestCase):
    def test_routes(self):
        """The document's and the server's are the same, with their scopes."""
        routes = server_routes()
        self.assertEqual(sorted(routes), sorted(operations()))
        for name, operation in operations().items():
            scope = re.search(r"Scope `(\w+)`", operation.get("description", ""))
            with self.subTest(name):
                self.assertEqual(routes[name], (scope and scope[1].upper(),
                                                operation.get("security") == []))

    def test_limits(self):
        """Numbers with an option's name are that option's default."""
        known, checked = defaults(), 0
        for path, value in walk(API):
            if isinstance(value, dict) and "x-option" in value:
                limit = value.get("maxItems", value.get("maximum"))
                if limit is not None:
                    self.assertEqual(limit, known[value["x-option"]], path)
                    checked += 1
        self.assertGreaterEqual(checked, 5)
        told = json.dumps(API)
        self.assertIn(f"{known['max_image_bytes'] >> 20} MiB and "
                      f"{known['max_pixels'] // 1000000} million pixels", told)
        self.assertIn(f"more than {known['max_segments']} are refused", told)
        self.assertIn(f"at most {known['max_instances']} pictures", told)

    def test_options_that_it_names(self):
        known = json.loads((ROOT / "config" / "layermaskd.json").read_text())
        named = re.findall(r"options? `(\w+)`(?:, `(\w+)`)?", json.dumps(API))
        named = {name for pair in named for name in pair if name}
        self.assertGreater(len(named), 5)
        self.assertLessEqual(named, set(known))

    def test_errors(self):
        """Statuses have the server's titles, and are in the table."""
        source = (ROOT / "server" / "http" / "problem.c").read_text()
        titles = {int(status): title
                  for status, title in re.findall(r'case (\d+): return "([^"]+)"', source)}
        table = {int(status) for status in
                 re.findall(r"^\| (\d+) \|", API["info"]["description"], re.MULTILINE)}
        used = {int(status) for operation in operations().values()
                for status in operation["responses"] if int(status) >= 400}
        self.assertEqual(table, used | {405})
        for name, answer in API["components"]["responses"].items():
            for content in answer["content"].values():
                example = content.get("example", {})
                if "title" in example:
                    self.assertEqual(example["title"], titles[example["status"]], name)
                    self.assertIn(example["status"], table, name)

    def test_job_states(self):
        source = (ROOT / "server" / "store" / "store.c").read_text()
        for state in API["components"]["schemas"]["JobStatus"]["enum"]:
            self.assertIn(f'"{state}"', source)


class Pages(unittest.TestCase):
    def test_filled(self):
        self.assertTrue(docs_page.filled(DOCS, API) == DOCS, "run tests/tools/docs_page.py")

    def test_routes(self):
        for name, operation in operations().items():
            self.assertIn(f'id="{operation["operationId"]}"', DOCS)
            self.assertIn(f"<code>{name}</code>", DOCS)

    def test_links(self):
        index = (ROOT / "server" / "web" / "index.html").read_text()
        for page in (DOCS, index):
            ids = re.findall(r'\bid="([^"]+)"', page)
            self.assertEqual(len(ids), len(set(ids)))
            for link in re.findall(r'(?:href|src)="([^"]*)"', page):
                with self.subTest(link):
                    if link.startswith("#"):
                        self.assertIn(link[1:], ids)
                    elif link != "data:,":  # an icon that is not asked for
                        self.assertIn(link, API["paths"])
            self.assertNotIn("<script", page)
            self.assertNotRegex(page, r"url\(|@import")


if __name__ == "__main__":
    unittest.main()
