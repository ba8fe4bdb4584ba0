#!/usr/bin/env python3
"""The metrics' text as Prometheus's own Python client reads it.

LAYERMASK_BUILD  build folder (default: build), with tests/server/obs/test_metrics in it
"""
import os
from pathlib import Path
import subprocess
import unittest

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    text_string_to_metric_families = None

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("LAYERMASK_BUILD", ROOT / "build"))
PROGRAM = BUILD / "tests" / "server" / "obs" / "test_metrics"
PROCESS = {"process_cpu_seconds", "process_open_fds", "process_max_fds",
           "process_resident_memory_bytes", "process_virtual_memory_bytes",
           "process_start_time_seconds"}


@unittest.skipUnless(text_string_to_metric_families, "needs prometheus_client")
@unittest.skipUnless(PROGRAM.exists(), f"needs {PROGRAM}")
class Text(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        text = subprocess.run([PROGRAM, "--print"], check=True, capture_output=True).stdout
        cls.families = {family.name: family
                        for family in text_string_to_metric_families(text.decode("utf-8"))}

    def test_names_and_types(self):
        types = {name: family.type for name, family in self.families.items()}
        expected = {"hostile": "counter", "seconds": "histogram", "third": "gauge"}
        expected.update({name: "gauge" for name in PROCESS})
        expected["process_cpu_seconds"] = "counter"
        self.assertEqual(types, expected)

    def test_labels_come_back(self):
        values = {sample.labels["model"]: sample.value
                  for sample in self.families["hostile"].samples}
        self.assertEqual(values, {'a"b\\c\nd': 1, "ä€": 2, "x\ufffd\ufffd": 3, "": 4,
                                  '}, evil="1"} 7\n# TYPE x counter': 5})
        self.assertEqual(self.families["hostile"].documentation,
                         'Back\\slash, "quotes"\nand a second line.')

    def test_histogram(self):
        samples = self.families["seconds"].samples
        observed = [i * 0.01 for i in range(100)]
        labels = {"route": "/v1/models/{model}:predict", "status": "200"}
        buckets = [s for s in samples if s.name == "seconds_bucket"]
        self.assertEqual(len(buckets), 19)
        for sample in buckets:
            bound = float(sample.labels.pop("le"))
            self.assertEqual(sample.labels, labels)
            self.assertEqual(sample.value, sum(value <= bound for value in observed), bound)
        rest = {s.name: s.value for s in samples if s.name != "seconds_bucket"}
        self.assertEqual(set(rest), {"seconds_sum", "seconds_count"})
        self.assertEqual(rest["seconds_count"], 100)
        self.assertAlmostEqual(rest["seconds_sum"], sum(observed), places=9)

    def test_digits(self):
        self.assertEqual(self.families["third"].samples[0].value, 1 / 3)


if __name__ == "__main__":
    unittest.main()
