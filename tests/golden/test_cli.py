#!/usr/bin/python3
"""The command line as a user meets it: exit codes, messages, JSON, files, the same result again.

LAYERMASK_BIN     the program (default: build/layermask)
LAYERMASK_SHARED  folder with models/mobilenet_v1_025_128 (default: ../shared), used when the demo
                  model in config/models/shapes is not there
"""
import base64
import io
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

try:
    import numpy as np
    from PIL import Image, ImageDraw
except ImportError as error:
    raise unittest.SkipTest(f"{error.name} is not installed")
try:
    import onnx
except ImportError:
    onnx = None
try:
    from sklearn.linear_model import Ridge
except ImportError:
    Ridge = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("LAYERMASK_BIN", str(ROOT / "build" / "layermask"))
SHARED = pathlib.Path(os.environ.get("LAYERMASK_SHARED", ROOT.parent / "shared"))
MODELS = [ROOT / "config/models/shapes", SHARED / "models/mobilenet_v1_025_128"]
MODEL = next((folder for folder in MODELS if (folder / "model.onnx").exists()), None)


def run(*arguments):
    """(exit status, standard output, standard error)"""
    done = subprocess.run([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=120)
    return done.returncode, done.stdout, done.stderr.decode()


class CliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not pathlib.Path(PROGRAM).exists():
            raise unittest.SkipTest(f"{PROGRAM} is not built")
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="layermask-test-"))
        cls.picture = cls.folder / "picture.png"
        picture = Image.new("RGB", (300, 200), (90, 140, 200))
        draw = ImageDraw.Draw(picture)
        draw.ellipse((90, 40, 190, 140), fill=(220, 40, 40))
        draw.rectangle((180, 90, 240, 170), fill=(30, 160, 60))
        picture.save(cls.picture)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def succeed(self, *arguments):
        status, output, errors = run(*arguments)
        self.assertEqual((status, errors), (0, ""), arguments)
        return output

    def fail_with(self, status, text, *arguments):
        """Fails with one line that contains the text, and prints nothing else."""
        got, output, errors = run(*arguments)
        self.assertEqual((got, output), (status, b""), (arguments, errors))
        self.assertTrue(errors.startswith("layermask: ") and errors.count("\n") == 1, errors)
        self.assertIn(text, errors)


class UsageTest(CliTest):
    def test_help(self):
        for command in ([], ["predict"], ["explain"], ["inspect"], ["bench"]):
            for flag in ("--help", "-h"):
                output = self.succeed(*command, flag).decode()
                self.assertIn("usage: layermask " + " ".join(command), output)
                self.assertLess(max(map(len, output.splitlines())), 101)
        self.assertRegex(self.succeed("--version").decode(), r"^layermask \d+\.\d+\.\d+\n$")

    def test_misuse(self):
        image = self.picture
        cases = [
            ([], "a command is missing"),
            (["explode"], "explode is no command"),
            (["predict"], "predict: --model is missing"),
            (["predict", "-m", "x"], "an IMAGE or --input is missing"),
            (["predict", "-m", "x", image, image], "one IMAGE, not 2"),
            (["predict", "-m", "x", image, "--hide", "a", "--keep", "b"], "exclude each other"),
            (["predict", "-m", "x", image, "--input", "x.npy"], "exclude each other"),
            (["predict", "-m", "x", image, "--mask", "m.npy"], "--mask goes with --input"),
            (["predict", "-m", "x", image, "--logits"], "--logits goes with --json"),
            (["predict", "-m", "x", image, "--masking", "gray"],
             'predict: --masking: "gray" is none of layer, black, grey, mean, blur, color:#rrggbb'),
            (["predict", "-m", "x", image, "--precision", "int8"],
             '--precision: "int8" is none of float32, bfloat16'),
            (["inspect", "-m", "x", "--precision", "half"],
             '--precision: "half" is none of float32, bfloat16'),
            (["predict", "-m", "x", image, "--policy", "concat=all"],
             '--policy concat: "all" is none of union, majority, intersection'),
            (["predict", "-m", "x", image, "--hide", "box:1,2,3"], "--hide: "),
            (["predict", "-m", "x", image, "--top", "0"],
             "--top 0: must be a whole number from 1 to 100000"),
            (["predict", "-m", "x", image, "--threads", "-1"], "--threads -1: must be"),
            (["predict", "-m", "x", image, "--nonsense"], "--nonsense is no option"),
            (["predict", "-m"], "-m needs an argument"),
            (["explain", "-m", "x"], "one IMAGE, not 0"),
            (["explain", "-m", "x", image, "--samples", "1e3"], "--samples 1e3: must be"),
            (["explain", "-m", "x", image, "--samples", "100001"], "from 2 to 100000"),
            (["explain", "-m", "x", image, "--seed", "9223372036854775808"], "--seed"),
            (["explain", "-m", "x", image, "--kernel-width", "nan"], "--kernel-width nan: must be"),
            (["explain", "-m", "x", image, "--segmentation", "voronoi"],
             '"voronoi" is none of slic:N, grid:ROWSxCOLUMNS, grid:PIXELS, custom:FILE.png'),
            (["explain", "-m", "x", image, "--method", "rise"], '"rise" is not lime'),
            (["explain", "-m", "x", image, "--render", "3d"], "--render"),
            (["explain", "-m", "x", image, "--include", "timing"], "--include goes with --json"),
            (["explain", "-m", "x", image, "--json", "--include", "all"],
             '"all" is none of segments, heatmap, overlay, samples, timing'),
            (["explain", "-m", "x", image, "-o", image], "would be overwritten"),
            (["explain", "-m", "x", image, "-o", "-", "--json"], "are the same file"),
            (["inspect"], "--model is missing"),
            (["inspect", "-m", "x", "y"], "takes no operands, not y"),
            (["bench", "-m", "x", "--hidden", "1.5"], "--hidden 1.5: must be a number from 0 to 1"),
            (["bench", "-m", "x", "--segments", "custom:a.png"], "has no picture to go with"),
        ]
        for arguments, text in cases:
            with self.subTest(arguments=arguments):
                self.fail_with(2, text, *arguments)


@unittest.skipIf(MODEL is None, f"neither {MODELS[0]} nor {MODELS[1]} has a model.onnx")
class ModelTest(CliTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.about = json.loads((MODEL / "model.json").read_text())
        cls.height, cls.width = cls.about["input"]["size"]
        cls.labels = (MODEL / "labels.txt").read_text().splitlines()

    def predict(self, *arguments):
        output = self.succeed("predict", "-m", MODEL, self.picture, "--json", *arguments)
        answer = json.loads(output)
        self.assertEqual(answer["model_name"], self.about["name"])
        self.assertRegex(answer["model_version"], "^[0-9a-f]{12}$")
        self.assertEqual(len(answer["predictions"]), 1)
        return answer["predictions"][0]

    def explain(self, *arguments):
        answer = json.loads(self.succeed("explain", "-m", MODEL, self.picture, "--json", "-",
                                         "--samples", 40, "--segmentation", "grid:4x4", *arguments))
        self.assertEqual(list(answer), ["model_name", "model_version", "explanations"])
        return answer["explanations"][0]

    def copy_model(self, name, **changes):
        folder = self.folder / name
        shutil.copytree(MODEL, folder, copy_function=shutil.copyfile)
        if changes:
            (folder / "model.json").write_text(json.dumps({**self.about, **changes}))
        return folder


class PredictTest(ModelTest):
    def test_json(self):
        answer = self.predict("--top", 3, "--logits")
        self.assertEqual(list(answer),
                         ["top", "logits", "masking", "visible_fraction", "unseen"])
        logits = np.array(answer["logits"])
        self.assertEqual(len(logits), len(self.labels))
        order = np.argsort(-logits, kind="stable")[:3]
        probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        for entry, index in zip(answer["top"], order):
            self.assertEqual(list(entry), ["index", "label", "probability", "logit"])
            self.assertEqual((entry["index"], entry["label"]), (index, self.labels[index]))
            self.assertEqual(entry["logit"], logits[index])
            self.assertAlmostEqual(entry["probability"], probabilities[index], delta=1e-7)
        self.assertEqual((answer["masking"], answer["visible_fraction"]), ("layer", 1))
        self.assertNotIn("logits", self.predict())

    def test_text(self):
        top = self.predict()["top"][0]
        first = self.succeed("predict", "-m", MODEL, self.picture).decode().splitlines()[0]
        self.assertIn(top["label"], first)
        self.assertIn(f"{100 * top['probability']:.2f} %", first)

    def test_hide_and_keep_are_complements(self):
        hidden = self.predict("--hide", "box:100,50,100,100")
        kept = self.predict("--keep", "box:100,50,100,100")
        self.assertAlmostEqual(hidden["visible_fraction"] + kept["visible_fraction"], 1, delta=1e-8)
        self.assertTrue(0 < kept["visible_fraction"] < 1)
        as_json = self.predict("--hide", '{"box": [100, 50, 100, 100]}')
        self.assertEqual(hidden, as_json)

    def test_region_as_png_and_segments(self):
        mask = Image.new("L", (300, 200))
        mask.paste(255, (100, 50, 200, 150))
        mask.save(self.folder / "mask.png")
        box = self.predict("--hide", "box:100,50,100,100")
        self.assertEqual(box, self.predict("--hide", self.folder / "mask.png"))
        segments = ('{"segments": [0, 1],'
                    ' "segmentation": {"method": "grid", "rows": 2, "columns": 2}}')
        self.assertEqual(self.predict("--hide", segments)["visible_fraction"], 0.5)
        Image.new("L", (299, 200)).save(self.folder / "narrow.png")
        self.fail_with(1, "299", "predict", "-m", MODEL, self.picture, "--hide",
                       self.folder / "narrow.png")
        self.fail_with(1, "empty", "predict", "-m", MODEL, self.picture, "--hide",
                       "box:1000,1000,5,5")

    def test_maskings(self):
        answers = {}
        for masking in ("layer", "black", "grey", "mean", "blur", "color:#010203"):
            answer = self.predict("--hide", "box:100,50,100,100", "--masking", masking, "--logits")
            self.assertEqual(answer["masking"], masking)
            answers[masking] = tuple(answer["logits"])
        self.assertEqual(len(set(answers.values())), 6)
        plain = tuple(self.predict("--logits", "--masking", "black")["logits"])
        self.assertEqual(plain, tuple(self.predict("--logits")["logits"]))

    def test_black_masking_is_painting_black(self):
        """With a region that the resampling does not smear: whole input pixels of the picture."""
        exact = self.folder / "exact.png"
        painted = self.folder / "painted.png"
        size = (self.width, self.height)
        folder = self.copy_model("unscaled", input={**self.about["input"], "resize_shorter": None})
        picture = Image.open(self.picture).resize(size)
        picture.save(exact)
        picture.paste((0, 0, 0), (3, 5, 23, 30))
        picture.save(painted)
        hidden = json.loads(self.succeed("predict", "-m", folder, exact, "--json", "--logits",
                                         "--hide", "box:3,5,20,25", "--masking", "black"))
        plain = json.loads(self.succeed("predict", "-m", folder, painted, "--json", "--logits"))
        self.assertEqual(hidden["predictions"][0]["logits"], plain["predictions"][0]["logits"])

    def test_bad_files(self):
        broken = self.folder / "broken.png"
        broken.write_bytes(self.picture.read_bytes()[:200])
        self.fail_with(1, f"{broken}: ", "predict", "-m", MODEL, broken)
        self.fail_with(1, "/nowhere.png: No such file", "predict", "-m", MODEL, "/nowhere.png")
        self.fail_with(1, "/nowhere: no such model folder", "predict", "-m", "/nowhere",
                       self.picture)

    def test_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("there is no /dev/full")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAM, "predict", "-m", str(MODEL), str(self.picture)],
                                  stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard output", done.stderr)


class TensorTest(ModelTest):
    def setUp(self):
        random = np.random.default_rng(1)
        self.x = random.standard_normal((10, 3, self.height, self.width)).astype(np.float32)
        self.mask = (random.random((10, 1, self.height, self.width)) < 0.7).astype(np.float32)

    def save(self, name, array):
        path = self.folder / name
        np.save(path, array)
        return path

    def logits(self, *arguments, model=MODEL):
        answer = json.loads(self.succeed("predict", "-m", model, *arguments))
        self.assertEqual(list(answer), ["logits"])
        return np.array(answer["logits"])

    def test_threads_and_types_change_nothing(self):
        x = self.save("x.npy", self.x)
        mask = self.save("mask.npy", self.mask)
        one = self.logits("--input", x, "--mask", mask, "--threads", 1)
        self.assertEqual(one.shape, (10, len(self.labels)))
        self.assertTrue((one == one.astype(np.float32)).all() or
                        np.abs(one - one.astype(np.float32)).max() < 1e-6)
        two = self.logits("--input", x, "--mask", mask, "--threads", 2)
        self.assertTrue((one == two).all())
        for kind in (np.uint8, bool, np.float64):
            typed = self.save("typed.npy", self.mask.astype(kind))
            self.assertTrue((one == self.logits("--input", x, "--mask", typed)).all())

    def test_masks_matter_and_hidden_values_do_not(self):
        x = self.save("x.npy", self.x)
        mask = self.save("mask.npy", self.mask)
        hidden = np.where(self.mask > 0, self.x, np.nan).astype(np.float32)
        masked = self.logits("--input", x, "--mask", mask)
        self.assertTrue((masked == self.logits("--input", self.save("nan.npy", hidden),
                                               "--mask", mask)).all())
        plain = self.logits("--input", x)
        ones = self.logits("--input", x, "--mask", self.save("ones.npy", np.ones_like(self.mask)))
        self.assertLess(np.abs(plain - ones).max(), 1e-4 * np.abs(plain).max())
        self.assertGreater(np.abs(plain - masked).max(), 1e-3 * np.abs(plain).max())

    def test_wrong_tensors(self):
        x = self.save("x.npy", self.x)
        holed = self.x.copy()
        holed[1, 2, 3, 4] = np.nan
        number = (3 + 2) * self.height * self.width + 3 * self.width + 4
        size = f"{self.height}, {self.width}]"
        cases = [
            (self.x[:, :2], None, f"shape [10, 2, {size}, the network takes [N, 3, {size}"),
            (self.x[0], None, f"shape [3, {size}, the network takes"),
            (self.x[:0], None, "0 images, must be 1 to"),
            (self.x, self.mask[:3], f"shape [3, 1, {size}, must be [10, 1, {size}"),
            (self.x, self.mask * 0.5, "is 0.5, must be 0 or 1"),
            (self.x, self.mask.astype(np.int32), "elements of type '<i4' are not read"),
            (holed, None, f"number {number} is nan, but its pixel is visible"),
            (holed, np.ones_like(self.mask), f"number {number} is nan, but its pixel is visible"),
        ]
        for x, mask, text in cases:
            with self.subTest(text=text):
                arguments = ["--input", self.save("bad_x.npy", x)]
                if mask is not None:
                    arguments += ["--mask", self.save("bad_mask.npy", mask)]
                self.fail_with(1, text, "predict", "-m", MODEL, *arguments)

    def test_policy(self):
        x = self.save("x.npy", self.x)
        mask = self.save("mask.npy", self.mask)
        default = self.logits("--input", x, "--mask", mask, "--policy", "default")
        plain = self.logits("--input", x, "--mask", mask, "--policy", "global_pool=plain")
        preset = self.logits("--input", x, "--mask", mask, "--policy", "authors-squeezenet")
        self.assertTrue((plain == preset).all())
        if "global_average" in self.succeed("inspect", "-m", MODEL).decode():
            self.assertFalse((plain == default).all())


class ExplainTest(ModelTest):
    def test_json(self):
        answer = self.explain("--top-labels", 2, "--seed", 5)
        self.assertEqual(list(answer), [
            "method", "masking", "seed", "samples", "exact", "converged", "segmentation", "labels",
            "complete", "warnings", "unseen"])
        self.assertEqual((answer["method"], answer["masking"], answer["seed"], answer["samples"]),
                         ("lime", "layer", 5, 40))
        segmentation = answer["segmentation"]
        self.assertEqual((segmentation["method"], segmentation["n_segments"], segmentation["size"]),
                         ("grid", 16, [self.height, self.width]))
        labels, runs = segmentation["labels_rle"][::2], segmentation["labels_rle"][1::2]
        label_map = np.repeat(labels, runs).reshape(self.height, self.width)
        self.assertEqual(sorted(set(labels)), list(range(16)))
        top = self.predict()["top"]
        for label, expected in zip(answer["labels"], top):
            self.assertEqual((label["index"], label["label"]),
                             (expected["index"], expected["label"]))
            self.assertAlmostEqual(label["probability"], expected["probability"], delta=1e-6)
            self.check_weights(label["weights"], label_map)

    def check_weights(self, weights, label_map):
        sizes = [abs(weight["weight"]) for weight in weights]
        self.assertEqual(sizes, sorted(sizes, reverse=True))
        self.assertEqual(sorted(weight["segment"] for weight in weights), list(range(16)))
        self.assertAlmostEqual(sum(weight["area"] for weight in weights), 1, delta=1e-9)
        for weight in weights:
            area = (label_map == weight["segment"]).mean()
            self.assertAlmostEqual(weight["area"], area, delta=1e-12)
            x, y, width, height = weight["bbox"]
            self.assertTrue(0 <= x < x + width <= 300 and 0 <= y < y + height <= 200)

    def test_threads_change_nothing(self):
        for masking in ("layer", "mean"):
            outputs = {self.succeed("explain", "-m", MODEL, self.picture, "--json", "--samples", 60,
                                    "--segmentation", "slic:12", "--threads", threads, "--masking",
                                    masking, "--include", "samples,segments,overlay")
                       for threads in (1, 2, 3)}
            self.assertEqual(len(outputs), 1)

    def test_seed_changes_samples(self):
        first = self.explain("--include", "samples")["samples"]
        other = self.explain("--include", "samples", "--seed", 1)["samples"]
        self.assertNotEqual(first["z"], other["z"])

    def test_labels_by_index_and_name(self):
        last = len(self.labels) - 1
        names = [label["index"] for label in self.explain("--labels", f"{last},0")["labels"]]
        self.assertEqual(names, [last, 0])
        unique = next(i for i, label in enumerate(self.labels) if self.labels.count(label) == 1
                      and "," not in label)
        by_name = self.explain("--labels", self.labels[unique])["labels"]
        self.assertEqual([label["index"] for label in by_name], [unique])
        self.fail_with(1, f"labels: {last + 1} is not an output of the network, 0 to {last}",
                       "explain", "-m", MODEL, self.picture, "--labels", last + 1)
        self.fail_with(1, 'no label "no such thing"', "explain", "-m", MODEL, self.picture,
                       "--labels", "no such thing")

    @unittest.skipIf(Ridge is None, "sklearn is not installed")
    def test_samples_refit(self):
        answer = self.explain("--include", "samples")
        z = np.array(answer["samples"]["z"], dtype=float)
        outputs = np.array(answer["samples"]["outputs"])
        self.assertEqual((answer["samples"]["count"], z.shape, outputs.shape),
                         (40, (40, 16), (40, 1)))
        norms = np.linalg.norm(z, axis=1)
        cosine = np.divide(z.sum(1), norms * 4, out=np.zeros(40), where=norms > 0)
        weights = np.sqrt(np.exp(-((1 - cosine) ** 2) / 0.25 ** 2))
        ridge = Ridge(alpha=1).fit(z, outputs[:, 0], sample_weight=weights)
        label = answer["labels"][0]
        got = {weight["segment"]: weight["weight"] for weight in label["weights"]}
        for segment, weight in enumerate(ridge.coef_):
            self.assertAlmostEqual(got[segment], weight, delta=1e-9)
        self.assertAlmostEqual(label["intercept"], ridge.intercept_, delta=1e-9)
        self.assertAlmostEqual(label["score"], ridge.score(z, outputs[:, 0], weights), delta=1e-9)

    def test_few_segments_are_exact(self):
        answer = self.explain("--segmentation", "grid:2x2")
        self.assertEqual((answer["exact"], answer["samples"]), (True, 16))

    def test_drawings(self):
        for render in ("overlay", "heatmap", "boundaries", "top"):
            path = self.folder / f"{render}.png"
            self.succeed("explain", "-m", MODEL, self.picture, "--samples", 20, "-o", path,
                         "--render", render)
            self.assertGreaterEqual(Image.open(path).size[0], 300)
        self.assertEqual(len({(self.folder / f"{render}.png").read_bytes()
                              for render in ("overlay", "heatmap", "boundaries", "top")}), 4)
        answer = self.explain("--include", "overlay,heatmap")
        for key in ("overlay", "heatmap"):
            picture = Image.open(io.BytesIO(base64.b64decode(answer[key])))
            self.assertEqual(picture.format, "PNG")
        png = self.succeed("explain", "-m", MODEL, self.picture, "--samples", 20, "-o", "-")
        self.assertEqual(png[:4], b"\x89PNG")

    def test_custom_segments(self):
        ids = np.full((200, 300), 3, np.uint8)
        ids[:, 150:] = 250
        Image.fromarray(ids).save(self.folder / "ids.png")
        answer = self.explain("--segmentation", f"custom:{self.folder / 'ids.png'}")
        self.assertEqual(answer["segmentation"]["method"], "custom")
        self.assertEqual(answer["segmentation"]["ids"], [3, 250])
        boxes = {weight["segment"]: weight["bbox"] for weight in answer["labels"][0]["weights"]}
        self.assertLessEqual(abs(boxes[0][0] + boxes[0][2] - 150), 2)  # of two samples
        self.assertLessEqual(abs(boxes[1][0] - 150), 2)

    def test_files_and_text(self):
        target = self.folder / "answer.json"
        overlay = self.folder / "out.png"
        text = self.succeed("explain", "-m", MODEL, self.picture, "--samples", 20, "--json", target,
                            "-o", overlay, "--include", "timing").decode()
        timing = json.loads(target.read_text())["explanations"][0]["timing"]
        self.assertEqual(list(timing), ["segment_ms", "forward_ms", "fit_ms", "forward_passes"])
        self.assertEqual(timing["forward_passes"], 20)
        self.assertIn(f"wrote {overlay}\nwrote {target}\n", text)
        self.fail_with(1, "/nowhere/out.png: No such file", "explain", "-m", MODEL, self.picture,
                       "--samples", 20, "-o", "/nowhere/out.png")


class FolderTest(ModelTest):
    def test_inspect(self):
        text = self.succeed("inspect", "-m", MODEL).decode()
        self.assertIn(self.about["name"], text)
        for word in ("input", "output", "masking  concat=", "operators", "total", "MACs"):
            self.assertIn(word, text)
        self.assertEqual(text, self.succeed("inspect", "-m", MODEL / "model.onnx").decode())

    def test_label_count_must_fit(self):
        folder = self.copy_model("labels", labels=["a", "b"])
        self.fail_with(1, f"there are 2 labels, but the network has {len(self.labels)} outputs",
                       "inspect", "-m", folder)

    def test_input_size_must_fit(self):
        size = {**self.about["input"], "size": [self.height + 32, self.width],
                "resize_shorter": None}
        folder = self.copy_model("size", input=size)
        if onnx:
            shape = onnx.load(str(MODEL / "model.onnx")).graph.input[0].type.tensor_type.shape
            if not shape.dim[2].dim_value:
                self.skipTest(f"{MODEL.name} leaves its input size open")
        status, output, errors = run("inspect", "-m", folder)
        self.assertEqual((status, output), (1, b""))
        self.assertIn(str(self.height), errors)
        self.assertIn(str(self.height + 32), errors)

    def test_missing_model_json_is_said(self):
        folder = self.copy_model("bare")
        (folder / "model.json").unlink()
        status, output, errors = run("predict", "-m", folder, self.picture)
        self.assertEqual((status, output.count(b"\n")), (0, 5))
        self.assertIn("layermask: bare has no model.json: torchvision's ImageNet preprocessing is "
                      "assumed", errors)

    @unittest.skipIf(onnx is None, "onnx is not installed")
    def test_unsupported_operators_are_listed(self):
        from onnx import TensorProto, helper
        nodes = [helper.make_node("NonZero", ["x"], ["a"], name="first"),
                 helper.make_node("Cast", ["a"], ["b"], name="middle", to=1),
                 helper.make_node("TopK", ["x", "k"], ["y", "i"], name="second")]
        graph = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 2])],
            [helper.make_tensor("k", TensorProto.INT64, [1], [2])])
        folder = self.folder / "unsupported"
        folder.mkdir()
        onnx.save(helper.make_model(graph), str(folder / "model.onnx"))
        status, output, errors = run("inspect", "-m", folder)
        self.assertEqual(status, 1)
        self.assertIn("first", errors)
        for word in ("NonZero", "first", "TopK", "second"):
            self.assertIn(word, output.decode())
        self.assertEqual(run("predict", "-m", folder, self.picture)[0], 1)


class BenchTest(ModelTest):
    def bench(self, *arguments):
        return json.loads(self.succeed("bench", "-m", MODEL, "--samples", 20, "--json", *arguments))

    def test_json(self):
        answer = self.bench("--hidden", 0.5, "--threads", 2)
        for key in ("ms_per_sample", "cpu_ms_per_sample", "images_per_s", "gflops_needed", "gflops_per_s",
                    "sgemm_gflops_per_s"):
            self.assertGreater(answer[key], 0, key)
        self.assertEqual((answer["samples"], answer["threads"], answer["hidden"]), (20, 2, 0.5))
        self.assertTrue(0 < answer["active_share"] <= 1)
        self.assertGreater(answer["peak_rss_bytes"], 1 << 20)

    def test_plain_needs_everything(self):
        plain = self.bench("--plain")
        self.assertEqual((plain["active_share"], plain["hidden"]), (1, 0))
        nothing_hidden = self.bench("--hidden", 0)
        self.assertEqual(nothing_hidden["active_share"], 1)
        self.assertAlmostEqual(nothing_hidden["gflops_needed"], plain["gflops_needed"])
        mostly_hidden = self.bench("--hidden", 0.9, "--segments", "slic:50")
        self.assertLess(mostly_hidden["active_share"], 1)

    def test_one_at_a_time(self):
        """A batch of 1 runs on all threads, and needs what other batches need."""
        alone = self.bench("--batch", 1, "--threads", 2)
        self.assertEqual((alone["batch"], alone["threads"]), (1, 2))
        self.assertAlmostEqual(alone["gflops_needed"], self.bench()["gflops_needed"])
        self.assertIn("20 samples one at a time on 2 threads", self.succeed(
            "bench", "-m", MODEL, "--samples", 20, "--batch", 1, "--threads", 2).decode())

    def test_layers_sum_up(self):
        for options in (["--threads", 1], ["--threads", 2, "--batch", 1]):
            answer = self.bench("--layers", *options)
            layers, outside = answer["layers"], answer["outside"]
            self.assertAlmostEqual(sum(layer["gflops_needed"] for layer in layers),
                                   answer["gflops_needed"], delta=1e-3 * answer["gflops_needed"])
            self.assertAlmostEqual(sum(layer["ms_per_sample"] for layer in layers)
                                   + sum(outside.values()), answer["ms_per_sample"],
                                   delta=0.05 * answer["ms_per_sample"])
            self.assertAlmostEqual(sum(layer["share"] for layer in layers), 1
                                   - sum(outside.values()) / answer["ms_per_sample"], delta=0.05)

    def test_layers_against_the_machine(self):
        answer = self.bench("--layers")
        peak, stream = answer["sgemm_gflops_per_s"], answer["stream_gbytes_per_s"]
        self.assertGreater(stream, 0)
        for layer in answer["layers"]:
            with self.subTest(layer["name"]):
                self.assertTrue(layer["kernel"] and layer["kind"])
                self.assertTrue(0 < layer["active_share"] <= 1)
                self.assertEqual(layer["gflops_done"] > 0, layer["gflops_needed"] > 0)
                bound = max(1000 * layer["gflops_needed"] / peak, layer["mbytes"] / stream)
                self.assertAlmostEqual(layer["bound_ms"], bound, delta=1e-3 * bound)
                self.assertAlmostEqual(layer["excess"], layer["ms_per_sample"] / bound,
                                       delta=1e-3 * layer["excess"])

    def test_layers_text(self):
        """A row of 11 numbers for each layer, one for all, three for the rest."""
        layers = self.bench("--layers")["layers"]
        lines = self.succeed("bench", "-m", MODEL, "--samples", 10, "--layers").decode().splitlines()
        head = next(i for i, line in enumerate(lines) if "ms/sample" in line)
        for layer, line in zip(layers, lines[head + 1:]):
            numbers = [float(word.rstrip("%")) for word in line.split()[:11]]
            self.assertAlmostEqual(numbers[4], layer["gflops_needed"], delta=6e-5)
            self.assertIn(f" {layer['kind']} ", line)
            self.assertIn(layer["name"][:40], line)
        rest = lines[head + 1 + len(layers):]
        self.assertTrue(rest[0].endswith("all layers"), rest[0])
        self.assertEqual([line.split()[2].rstrip(":") for line in rest[1:4]],
                         ["planning", "reading", "the"])


if __name__ == "__main__":
    unittest.main()
