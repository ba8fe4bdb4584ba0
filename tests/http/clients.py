#!/usr/bin/env python3
"""What people's own programs do, with the clients that they do it with: tritonclient and kserve.

    clients.py URL MODEL IMAGE

URL: of a daemon that runs, such as http://127.0.0.1:8080; MODEL: a model of it; IMAGE: a JPEG or
PNG file.  Needs `pip install tritonclient[http] kserve pillow`; a client that is not installed is
skipped.  The last line is `N passed, N failed, N skipped`; the exit status is 1 if one failed.

What the server preprocesses is compared with Pillow's and numpy's way of doing it.
"""
import argparse
import asyncio
import base64
import io
import json
import sys
import time
import traceback
import urllib.parse
import urllib.request

import numpy as np
from PIL import Image


class Case:
    """The server, a model and a picture, and what a plain call says of it."""

    def __init__(self, url, model, image):
        self.url, self.model = url.rstrip("/"), model
        self.image = open(image, "rb").read()
        self.b64 = base64.b64encode(self.image).decode()
        self.details = self.get(f"/v1/models/{model}")
        self.version = self.details["version"]
        self.classes = self.details["classes"]
        self.tensor = self.preprocess(image)
        self.side = self.tensor.shape[2:]

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def preprocess(self, image):
        """torchvision's way: Pillow's bilinear resize of the shorter side, centre crop."""
        how = self.details["preprocessing"]
        picture = Image.open(image).convert("RGB")
        height, width = how["size"]
        if how["resize_shorter"] is None:
            picture = picture.resize((width, height), Image.BILINEAR)
        else:
            short, shorter = min(picture.size), how["resize_shorter"]
            picture = picture.resize([shorter if side == short else int(shorter * side / short)
                                      for side in picture.size], Image.BILINEAR)
            left = round((picture.width - width) / 2)
            top = round((picture.height - height) / 2)
            picture = picture.crop((left, top, left + width, top + height))
        pixels = np.asarray(picture, np.float32)
        if how["channels"] == "BGR":
            pixels = pixels[:, :, ::-1]
        planes = (pixels - np.float32(how["mean"])) / np.float32(how["std"])
        return np.ascontiguousarray(planes.transpose(2, 0, 1)[None], np.float32)

    def half_mask(self, n=1):
        """The left half is hidden."""
        mask = np.ones((n, 1, *self.side), np.float32)
        mask[:, :, :, : self.side[1] // 2] = 0
        return mask


def same(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape, (a.dtype, a.shape, b.dtype, b.shape)
    assert np.array_equal(a, b), np.abs(a - b).max()


def near(a, b):
    """Decoders and resizing may differ by one of 255 in a pixel."""
    assert a.shape == b.shape, (a.shape, b.shape)
    assert np.array_equal(a.argmax(-1), b.argmax(-1)), (a, b)
    assert np.abs(a - b).max() <= 0.02 * np.ptp(b), np.abs(a - b).max()


class Triton:
    """tritonclient[http]"""

    def __init__(self, case):
        import tritonclient.http as http
        from tritonclient.utils import InferenceServerException
        self.case, self.http, self.error = case, http, InferenceServerException
        where = urllib.parse.urlsplit(case.url)
        self.client = http.InferenceServerClient(where.netloc, ssl=where.scheme == "https",
                                                 concurrency=4, network_timeout=60)

    def close(self):
        self.client.close()

    def input(self, array, name="input", datatype="FP32", binary=True):
        tensor = self.http.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array, binary_data=binary)
        return tensor

    def infer(self, inputs, outputs=None, **options):
        return self.client.infer(self.case.model, inputs, outputs=outputs, **options)

    def logits(self, inputs, outputs=None, **options):
        return self.infer(inputs, outputs, **options).as_numpy("logits")

    def plain(self):
        return self.logits([self.input(self.case.tensor)])

    def refused(self, status, text, call):
        try:
            call()
        except self.error as error:
            assert error.status() == str(status), error
            assert text in error.message(), error
        else:
            raise AssertionError(f"not refused: {text}")

    def test_health(self):
        assert self.client.is_server_live() is True
        assert self.client.is_server_ready() is True
        assert self.client.is_model_ready(self.case.model) is True
        assert self.client.is_model_ready(self.case.model, self.case.version) is True
        assert self.client.is_model_ready("no-such-model") is False
        assert self.client.is_model_ready(self.case.model, "77") is False

    def test_metadata(self):
        server = self.client.get_server_metadata()
        assert server["name"] == "layermask" and server["version"], server
        assert "binary_tensor_data" in server["extensions"], server
        model = self.client.get_model_metadata(self.case.model)
        assert model["name"] == self.case.model and model["versions"] == [self.case.version]
        inputs = {tensor["name"]: tensor for tensor in model["inputs"]}
        assert inputs["input"] == {"name": "input", "datatype": "FP32",
                                   "shape": [-1, *self.case.tensor.shape[1:]]}
        assert inputs["mask"]["shape"] == [-1, 1, *self.case.side]
        assert inputs["image"]["datatype"] == "BYTES"
        outputs = {tensor["name"]: tensor["shape"] for tensor in model["outputs"]}
        assert outputs["logits"] == [-1, self.case.classes], outputs
        assert self.client.get_model_metadata(self.case.model, self.case.version) == model

    def test_config(self):
        config = self.client.get_model_config(self.case.model)
        assert config["name"] == self.case.model and config["max_batch_size"] >= 8, config
        assert config["input"][0]["dims"] == list(self.case.tensor.shape[1:])
        assert self.client.get_model_config(self.case.model, self.case.version) == config

    def test_repository(self):
        index = self.client.get_model_repository_index()
        ours = [line for line in index if line["name"] == self.case.model]
        assert len(ours) == 1 and ours[0]["state"] == "READY", index
        assert ours[0]["version"] == self.case.version

    def test_load_and_unload(self):
        if "model_repository" not in self.client.get_server_metadata()["extensions"]:
            self.refused(403, "", lambda: self.client.load_model(self.case.model))
            self.refused(403, "", lambda: self.client.unload_model(self.case.model))
            return
        self.client.unload_model(self.case.model)
        assert self.client.is_model_ready(self.case.model) is False
        self.client.load_model(self.case.model)
        assert self.client.is_model_ready(self.case.model) is True
        self.refused(404, "no-such-model", lambda: self.client.load_model("no-such-model"))

    def test_binary(self):
        result = self.infer([self.input(self.case.tensor)], request_id="call 7")
        answer = result.get_response()
        assert answer["model_name"] == self.case.model and answer["id"] == "call 7", answer
        assert answer["model_version"] == self.case.version
        assert result.get_output("logits")["parameters"]["binary_data_size"] > 0
        logits = result.as_numpy("logits")
        assert logits.shape == (1, self.case.classes) and logits.dtype == np.float32
        assert np.isfinite(logits).all()

    def test_json_says_the_same(self):
        outputs = [self.http.InferRequestedOutput("logits", binary_data=False)]
        result = self.infer([self.input(self.case.tensor, binary=False)], outputs)
        assert "data" in result.get_output("logits")
        same(result.as_numpy("logits"), self.plain())
        same(self.logits([self.input(self.case.tensor)], outputs), self.plain())
        same(self.logits([self.input(self.case.tensor, binary=False)]), self.plain())

    def test_by_version(self):
        same(self.logits([self.input(self.case.tensor)], model_version=self.case.version),
             self.plain())

    def test_compressed(self):
        for way in ("gzip", "deflate"):
            same(self.logits([self.input(self.case.tensor)], request_compression_algorithm=way),
                 self.plain())
        same(self.logits([self.input(self.case.tensor, binary=False)],
                         request_compression_algorithm="gzip",
                         response_compression_algorithm="gzip"), self.plain())
        outputs = [self.http.InferRequestedOutput("logits", binary_data=False)]
        same(self.logits([self.input(self.case.tensor)], outputs,
                         response_compression_algorithm="gzip"), self.plain())

    def test_batch_and_mask(self):
        three = np.concatenate([self.case.tensor, self.case.tensor[..., ::-1],
                                self.case.tensor * np.float32(0.5)])
        logits = self.logits([self.input(three)])
        assert logits.shape == (3, self.case.classes)
        assert np.abs(logits[:1] - self.plain()).max() < 1e-3
        shown = self.input(np.ones((3, 1, *self.case.side), np.float32), "mask")
        assert np.abs(self.logits([self.input(three), shown]) - logits).max() < 1e-3
        masked = self.logits([self.input(three), self.input(self.case.half_mask(3), "mask")])
        assert np.abs(masked - logits).max() > 0.01

    def test_masks_of_all_types(self):
        tensor, mask = self.input(self.case.tensor), self.case.half_mask()
        masked = self.logits([tensor, self.input(mask, "mask")])
        hidden = self.case.tensor.copy()
        hidden[:, :, :, : self.case.side[1] // 2] = 7  # what is hidden does not count
        same(self.logits([self.input(hidden), self.input(mask, "mask")]), masked)
        for datatype, kind in (("BOOL", bool), ("UINT8", np.uint8)):
            for binary in (True, False):
                other = self.input(mask.astype(kind), "mask", datatype, binary)
                same(self.logits([tensor, other]), masked)
        same(self.logits([self.input(mask, "mask", binary=False), tensor]), masked)

    def test_pictures(self):
        files = np.array([self.case.image, self.case.image], dtype=np.object_)
        binary = self.logits([self.input(files, "image", "BYTES")])
        same(binary[:1], binary[1:])
        near(binary[:1], self.plain())
        text = np.array([self.case.b64] * 2, dtype=np.object_)
        same(self.logits([self.input(text, "any", "BYTES", binary=False)]), binary)
        same(self.logits([self.input(files.reshape(2, 1), "image", "BYTES")]), binary)

    def test_classification(self):
        outputs = [self.http.InferRequestedOutput("logits", class_count=3),
                   self.http.InferRequestedOutput("probabilities")]
        for binary in (True, False):
            outputs[0] = self.http.InferRequestedOutput("logits", binary, class_count=3)
            result = self.infer([self.input(self.case.tensor)], outputs)
            lines = result.as_numpy("logits")
            assert lines.shape == (1, 3), lines
            best = lines[0, 0].decode() if binary else lines[0, 0]
            value, index = best.split(":")[:2]
            logits = self.plain()[0]
            assert int(index) == logits.argmax() and np.float32(value) == logits.max(), best
            assert best.count(":") >= (2 if self.case.details["labels"] else 1), best
            probabilities = result.as_numpy("probabilities")
            assert abs(probabilities.sum() - 1) < 1e-5
            assert probabilities[0].argmax() == logits.argmax()

    def test_body_without_json(self):
        for body in (self.case.tensor.tobytes(), self.case.image):
            request = urllib.request.Request(
                f"{self.case.url}/v2/models/{self.case.model}/infer", body,
                {"Content-Type": "application/octet-stream",
                 "Inference-Header-Content-Length": "0"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                length = int(answer.headers["Inference-Header-Content-Length"])
                result = self.client.parse_response_body(answer.read(), header_length=length)
            near(result.as_numpy("logits"), self.plain())

    def test_several_at_once(self):
        plain = self.plain()
        calls = [self.client.async_infer(self.case.model, [self.input(self.case.tensor)])
                 for _ in range(8)]
        for call in calls:
            same(call.get_result().as_numpy("logits"), plain)

    def test_refusals(self):
        tensor = self.input(self.case.tensor)
        self.refused(404, "no-such-model",
                     lambda: self.client.infer("no-such-model", [tensor]))
        self.refused(404, "77", lambda: self.infer([tensor], model_version="77"))
        self.refused(400, "logits, probabilities", lambda: self.infer(
            [tensor], [self.http.InferRequestedOutput("softmax")]))
        self.refused(400, "datatype", lambda: self.infer(
            [self.input(self.case.tensor.astype(np.float64), datatype="FP64")]))
        self.refused(422, "must be [N, 3", lambda: self.infer(
            [self.input(self.case.tensor[:, :, 1:])]))
        self.refused(422, "NaN", lambda: self.infer([self.input(self.case.tensor * np.nan)]))
        self.refused(422, "must be 0 or 1", lambda: self.infer(
            [tensor, self.input(self.case.half_mask() * 2, "mask")]))
        self.refused(422, "JPEG", lambda: self.infer(
            [self.input(np.array([b"GIF89a"], np.object_), "image", "BYTES")]))
        tensor.set_shared_memory("region", 4)
        self.refused(501, "shared memory", lambda: self.infer([tensor]))


class Kserve:
    """kserve.InferenceRESTClient"""

    def __init__(self, case):
        import httpx
        import kserve
        self.case, self.kserve, self.error = case, kserve, httpx.HTTPStatusError

    def close(self):
        pass

    def run(self, protocol, work):
        """work(client) in a client of its own."""
        async def run():
            async with self.kserve.InferenceRESTClient(
                    self.kserve.RESTConfig(protocol=protocol, timeout=120)) as client:
                return await work(client)
        return asyncio.run(run())

    def refused(self, status, work):
        try:
            self.run("v1", work)
        except self.error as error:
            assert error.response.status_code == status, error
            return error.response.json()["error"]
        raise AssertionError("not refused")

    def predict(self, instance, **parameters):
        data = {"instances": [instance]}
        if parameters:
            data["parameters"] = parameters
        return self.run("v1", lambda client: client.infer(self.case.url, data, self.case.model))

    def test_health(self):
        case = self.case
        assert self.run("v1", lambda client: client.is_server_live(case.url)) is True
        assert self.run("v1", lambda client: client.is_model_ready(case.url, case.model)) is True
        assert self.run("v2", lambda client: client.is_server_live(case.url)) is True
        assert self.run("v2", lambda client: client.is_server_ready(case.url)) is True
        assert self.run("v2", lambda client: client.is_model_ready(case.url, case.model)) is True
        assert self.run("v2", lambda client: client.is_model_ready(case.url, "none")) is False

    def test_predict(self):
        forms = [{"image": {"b64": self.case.b64}}, {"image_bytes": {"b64": self.case.b64}},
                 {"data": self.case.b64}, {"image": self.case.b64}]
        answers = [self.predict(form) for form in forms]
        assert all(answer == answers[0] for answer in answers)
        top = answers[0]["predictions"][0]["top"]
        assert len(top) == min(5, self.case.classes) and top[0]["probability"] <= 1
        assert answers[0]["model_name"] == self.case.model

    def test_predict_hidden(self):
        region = {"box": [0, 0, 20, 20], "space": "input"}
        answer = self.predict({"image": {"b64": self.case.b64}, "keep": region},
                              logits=True)
        prediction = answer["predictions"][0]
        assert 0 < prediction["visible_fraction"] < 0.5
        assert len(prediction["logits"]) == self.case.classes

    def test_explain(self):
        data = {"instances": [{"image": {"b64": self.case.b64}}],
                "parameters": {"samples": 60, "seed": 3,
                               "segmentation": {"method": "grid", "n_segments": 9}}}
        answers = [self.run("v1", lambda client: client.explain(self.case.url, self.case.model,
                                                                data))
                   for _ in range(2)]
        assert answers[0] == answers[1]
        explanation = answers[0]["explanations"][0]
        assert explanation["seed"] == 3 and explanation["segmentation"]["n_segments"] == 9
        assert len(explanation["labels"][0]["weights"]) == 9

    def test_v2(self):
        """Numbers in JSON, numbers behind JSON, a file behind JSON."""
        tensor, file = self.case.tensor, np.array([self.case.image], np.object_)
        logits = []
        for name, array, datatype, binary in (("input", tensor, "FP32", False),
                                              ("input", tensor, "FP32", True),
                                              ("image", file, "BYTES", True)):
            given = self.kserve.InferInput(name, list(array.shape), datatype)
            given.set_data_from_numpy(array, binary_data=binary)
            for parameters in (None, {"binary_data_output": True}):
                request = self.kserve.InferRequest(self.case.model, [given], request_id="7",
                                                   parameters=parameters)
                answer = self.run("v2", lambda client: client.infer(self.case.url, request,
                                                                    self.case.model))
                assert answer.id == "7" and answer.model_name == self.case.model
                logits.append(answer.outputs[0].as_numpy())
                assert answer.outputs[0].name == "logits"
        for other in logits[1:4]:
            same(other, logits[0])
        same(logits[4], logits[5])
        near(logits[4], logits[0])

    def test_refusals(self):
        case = self.case
        text = self.refused(400, lambda client: client.infer(case.url, {"inputs": []}, case.model))
        assert "inputs" in text, text
        self.refused(404, lambda client: client.is_model_ready(case.url, "no-such-model"))
        text = self.refused(422, lambda client: client.infer(
            case.url, {"instances": [{"image": {"b64": "R0lGODlh"}}]}, case.model))
        assert "JPEG" in text, text


def run_tests(tests):
    """(passed, failed) of all methods test_*."""
    passed = failed = 0
    for name in [name for name in dir(tests) if name.startswith("test_")]:
        label = f"{type(tests).__name__.lower()}.{name[5:]}"
        start = time.monotonic()
        try:
            getattr(tests, name)()
        except Exception:  # pylint: disable=broad-except
            failed += 1
            trouble = io.StringIO()
            traceback.print_exc(file=trouble)
            print(trouble.getvalue() + f"[ FAILED ] {label}", flush=True)
        else:
            passed += 1
            print(f"[ OK ] {label} ({time.monotonic() - start:.2f} s)", flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("url", "model", "image"):
        parser.add_argument(name)
    options = parser.parse_args()
    case = Case(options.url, options.model, options.image)
    passed = failed = skipped = 0
    for client in (Triton, Kserve):
        try:
            tests = client(case)
        except ImportError as reason:
            print(f"{client.__doc__} is not installed: {reason}")
            skipped += 1
            continue
        counts = run_tests(tests)
        tests.close()
        passed, failed = passed + counts[0], failed + counts[1]
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
