"""Real photographs through the command line: the same answers as another runtime gave.

expected.tsv in the shared images holds the class and its probability from onnxruntime with Pillow's
decoding and resizing.  It scales the longer side to the nearest pixel and starts the crop at the floor,
torchvision (and so we) at trunc and round-half-even: one pixel apart on some pictures, which moves
probabilities of the model that crops by up to 0.053 and no answer.
"""
import csv
import json
import os
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.environ.get("LAYERMASK_SHARED", os.path.join(ROOT, "..", "shared"))
BINARY = os.environ.get("LAYERMASK_BIN", os.path.join(ROOT, "build", "layermask"))
IMAGES = os.path.join(SHARED, "images")

# One model has one label more than the 1000 classes: index 0 is the background.
OFFSET = {"mobilenet_v2": 1, "squeezenet_v1_1": 0}
TOLERANCE = {"float32": {"mobilenet_v2": 0.06, "squeezenet_v1_1": 1e-4},
             "bfloat16": {"mobilenet_v2": 0.1, "squeezenet_v1_1": 0.03}}


def predict(model, image, precision):
    answer = subprocess.run([BINARY, "predict", "--model", os.path.join(SHARED, "models", model),
                             os.path.join(IMAGES, image), "--json", "--precision", precision],
                            check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)["predictions"][0]["top"][0]


@unittest.skipUnless(os.path.exists(os.path.join(IMAGES, "expected.tsv")),
                     "the shared photographs are not here")
class Photographs(unittest.TestCase):
    def check_model(self, model, precision="float32"):
        with open(os.path.join(IMAGES, "expected.tsv"), encoding="utf-8") as table:
            rows = list(csv.DictReader(table, delimiter="\t"))
        self.assertEqual(len(rows), 64)
        if os.environ.get("LAYERMASK_SANITIZED"):
            rows = rows[::8]  # all run the same code, which is slow then
        worst = 0
        for row in rows:
            with self.subTest(image=row["file"]):
                top = predict(model, row["file"], precision)
                self.assertEqual(top["index"], int(row["class_index_1000"]) + OFFSET[model])
                worst = max(worst, abs(top["probability"] - float(row["p_" + model])))
        print(f"{model}, {precision}: {len(rows)} photographs, "
              f"largest difference in probability {worst:.5f}")
        self.assertLess(worst, TOLERANCE[precision][model])

    def test_mobilenet_v2(self):
        self.check_model("mobilenet_v2")

    def test_squeezenet_v1_1(self):
        self.check_model("squeezenet_v1_1")

    def test_bfloat16(self):
        for model in OFFSET:
            self.check_model(model, "bfloat16")


if __name__ == "__main__":
    unittest.main()
