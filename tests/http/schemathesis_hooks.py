"""Brings what schemathesis draws from openapi.yaml closer to what clients send.

Random text is no picture, and a request with a corrupt one is refused before anything else of it is
looked at: texts and bytes that stand for pictures become pictures, in requests that are meant to
fail, too.  What a schema cannot say (an even number of coordinates, a parameter given once) is
mended in requests that are meant to be fine.
"""
import base64
import itertools
import json
from pathlib import Path

import schemathesis
from hypothesis import strategies
from schemathesis.generation import GenerationMode

EXAMPLES = Path(__file__).resolve().parents[2] / "config" / "models" / "shapes" / "examples"
PNG = (EXAMPLES / "star.png").read_bytes()
BASE64 = base64.b64encode(PNG).decode()
JPEG = base64.b64decode(  # 8 x 8 pixels, grey
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIs"
    "IxwcKDcpLDAxNDQ0Hyc5PTgyPC4zNDL/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAA"
    "AAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AP//Z")
SAMPLES = 100  # enough to see that it works
numbers = itertools.count()

schemathesis.openapi.media_type("image/png", strategies.just(PNG))
schemathesis.openapi.media_type("image/jpeg", strategies.just(JPEG))
schemathesis.openapi.media_type("application/octet-stream", strategies.just(PNG))


def is_fine(case, location=None):
    """Was it, or a part of it, drawn to be accepted?"""
    meta = case.meta
    if meta is None:
        return True
    if location is None:
        return meta.generation.mode == GenerationMode.POSITIVE
    parts = {str(getattr(key, "value", key)): part for key, part in meta.components.items()}
    return location not in parts or parts[location].mode == GenerationMode.POSITIVE


def with_pictures(instance):
    for key in ("image", "image_bytes", "data"):
        value = instance.get(key)
        if isinstance(value, str) and len(value) >= 4:
            instance[key] = BASE64
        elif isinstance(value, dict) and isinstance(value.get("b64"), str) \
                and len(value["b64"]) >= 4:
            value["b64"] = BASE64


def with_pairs(value):
    """Polygons with an even number of coordinates."""
    if isinstance(value, dict):
        for ring in value.get("polygon", []) if isinstance(value.get("polygon"), list) else []:
            if isinstance(ring, list) and len(ring) % 2:
                ring.pop()
        for member in value.values():
            with_pairs(member)
    elif isinstance(value, list):
        for member in value:
            with_pairs(member)


def with_integers(value):
    """1.0 is an integer to JSON Schema, and not to the server."""
    if isinstance(value, dict):
        return {key: with_integers(member) for key, member in value.items()}
    if isinstance(value, list):
        return [with_integers(member) for member in value]
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53
    return int(value) if whole else value


def mend_call(case):
    body, query = case.body, case.query
    parameters = body.get("parameters") if isinstance(body, dict) else None
    if isinstance(body, dict):
        for instance in body["instances"] if isinstance(body.get("instances"), list) else []:
            if isinstance(instance, dict):
                with_pictures(instance)
    if is_fine(case):
        with_pairs(body)
        if case.media_type == "application/json":
            case.body = body = with_integers(body)
            parameters = body.get("parameters") if isinstance(body, dict) else None
    if isinstance(parameters, dict) and query and is_fine(case, "query"):
        for name in parameters:
            query.pop(name, None)
    if case.operation.label.endswith(":explain"):
        limit_samples(case, parameters)


def limit_samples(case, parameters):
    """Fewer than there would be, in calls that run."""
    is_json = case.media_type == "application/json"
    for place, location in ((case.query, "query"), (parameters if is_json else None, "body")):
        count = place.get("samples") if isinstance(place, dict) else None
        if isinstance(count, int) and count > SAMPLES and is_fine(case, location):
            place["samples"] = SAMPLES
    in_body = isinstance(parameters, dict) and "samples" in parameters
    if is_fine(case, "query") and not in_body and "samples" not in (case.query or {}):
        case.query = dict(case.query or {}, samples=SAMPLES)


def mend_infer(case):
    """The header belongs to raw tensors; 0 says that the body is one."""
    name = "Inference-Header-Content-Length"
    if not is_fine(case, "header"):
        return
    if case.media_type == "application/octet-stream":
        case.headers[name] = "0"
    else:
        case.headers.pop(name, None)


@schemathesis.hook
def filter_case(context, case):
    """Leaves out forms that cannot be mended, since their bytes would count as wrong once touched:
    those with both hide and keep, with whole numbers such as 1.0, and with very many samples."""
    if case.media_type != "multipart/form-data" or not isinstance(case.body, dict):
        return True
    parameters = case.body.get("parameters")
    samples = parameters.get("samples") if isinstance(parameters, dict) else None
    return not (("hide" in case.body and "keep" in case.body)
                or json.dumps(parameters, default=str) != json.dumps(with_integers(parameters),
                                                                     default=str)
                or (isinstance(samples, int) and samples > 10 * SAMPLES))


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.headers is not None and is_fine(case, "header"):
        case.headers.pop("Content-Encoding", None)  # bodies are sent as they are
        if "Idempotency-Key" in case.headers:  # another request with the same key is a 409
            case.headers["Idempotency-Key"] = f"key-{next(numbers)}"
        if "Request-Timeout" in case.headers:  # less than it takes is a 504
            case.headers["Request-Timeout"] = "30"
    if case.headers is not None and not is_fine(case):
        case.headers.pop("Prefer", None)  # jobs may fail later
    if case.operation.label.endswith((":predict", ":explain")):
        mend_call(case)
    elif case.operation.label.endswith("/infer"):
        mend_infer(case)
