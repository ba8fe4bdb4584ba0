"""The surrogates against the `lime` package, refitted on the same samples and outputs, and the
standard errors against numpy and against their own promise.

Needs a built liblayermask.so (LAYERMASK_LIB, default build/liblayermask.so), numpy, scikit-learn
and `lime`, which is installed into build/venv-lime when it is not there and pip can get it.
Without one of them the tests are skipped.
"""

import contextlib
import ctypes
import glob
import io
import os
import subprocess
import sys
import unittest
import warnings

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARY = os.environ.get("LAYERMASK_LIB", os.path.join(ROOT, "build", "liblayermask.so"))
VENV = os.path.join(ROOT, "build", "venv-lime")


def venv_packages():
    return glob.glob(os.path.join(VENV, "lib", "python%d.%d" % sys.version_info[:2],
                                  "site-packages"))


def install_lime():
    """Makes `lime` importable; an ImportError says why not."""
    try:
        for command in ([sys.executable, "-m", "venv", "--system-site-packages", VENV],
                        [os.path.join(VENV, "bin", "pip"), "install", "--quiet",
                         "--disable-pip-version-check", "lime"]):
            subprocess.run(command, check=True, timeout=600, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE)
    except (OSError, subprocess.SubprocessError) as error:
        raise ImportError("lime cannot be installed: %s" % error) from error


def import_lime():
    sys.path += venv_packages()
    try:
        import lime.lime_base
        import lime.lime_image
    except ImportError:
        install_lime()
        sys.path += venv_packages()
        import lime.lime_base
        import lime.lime_image
    return lime


try:
    import numpy as np
    import sklearn.metrics
    lime = import_lime()
    MISSING = None if os.path.exists(LIBRARY) else "no %s" % LIBRARY
except ImportError as error:
    MISSING = str(error)

WIDTH, ALPHA = 0.25, 1.0
LM_OK = 0


class Samples(ctypes.Structure):
    _fields_ = [("count", ctypes.c_uint32), ("segments", ctypes.c_uint32),
                ("exact", ctypes.c_bool), ("z", ctypes.POINTER(ctypes.c_uint8))]


class Options(ctypes.Structure):
    _fields_ = [("samples", ctypes.c_uint32), ("seed", ctypes.c_uint64),
                ("keep", ctypes.c_double), ("kernel_width", ctypes.c_double),
                ("alpha", ctypes.c_double), ("num_features", ctypes.c_uint32)]


class Weight(ctypes.Structure):
    _fields_ = [("segment", ctypes.c_uint32), ("weight", ctypes.c_double),
                ("standard_error", ctypes.c_double)]


class Label(ctypes.Structure):
    _fields_ = [("label", ctypes.c_uint32), ("output", ctypes.c_double),
                ("intercept", ctypes.c_double), ("local_prediction", ctypes.c_double),
                ("score", ctypes.c_double), ("n_weights", ctypes.c_uint32),
                ("weights", ctypes.POINTER(Weight))]


class Explanation(ctypes.Structure):
    _fields_ = [("samples", Samples), ("outputs", ctypes.POINTER(ctypes.c_double)),
                ("n_labels", ctypes.c_uint32), ("labels", ctypes.POINTER(Label)),
                ("n_warnings", ctypes.c_uint32), ("warnings", ctypes.POINTER(ctypes.c_char_p))]


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("text", ctypes.c_char * 500)]


PREDICT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Samples),
                           ctypes.POINTER(ctypes.c_double), ctypes.POINTER(Error)) \
    if not MISSING else None


def load():
    library = ctypes.CDLL(LIBRARY)
    library.lm_samples_draw.argtypes = [ctypes.c_uint32, ctypes.c_uint32, ctypes.c_double,
                                        ctypes.c_uint64, ctypes.POINTER(Samples),
                                        ctypes.POINTER(Error)]
    library.lm_explain_lime.argtypes = [ctypes.POINTER(Options), ctypes.c_uint32, ctypes.c_uint32,
                                        ctypes.POINTER(ctypes.c_uint32), ctypes.c_uint32, PREDICT,
                                        ctypes.c_void_p, ctypes.POINTER(Explanation),
                                        ctypes.POINTER(Error)]
    library.lm_lime_fit.argtypes = [ctypes.POINTER(Options), ctypes.POINTER(Samples),
                                    ctypes.POINTER(ctypes.c_double), ctypes.c_uint32,
                                    ctypes.POINTER(ctypes.c_uint32), ctypes.c_uint32,
                                    ctypes.POINTER(Explanation), ctypes.POINTER(Error)]
    return library


def draw(library, segments, count, seed, keep=0.5):
    samples, error = Samples(), Error()
    status = library.lm_samples_draw(segments, count, keep, seed, samples, error)
    assert status == LM_OK, error.text
    z = np.ctypeslib.as_array(samples.z, (samples.count, samples.segments)).copy()
    library.lm_samples_free(ctypes.byref(samples))
    return z


def read_labels(explanation):
    return [{"label": label.label, "intercept": label.intercept, "score": label.score,
             "local": label.local_prediction,
             "segments": [w.segment for w in label.weights[:label.n_weights]],
             "weights": np.array([w.weight for w in label.weights[:label.n_weights]]),
             "errors": np.array([w.standard_error for w in label.weights[:label.n_weights]])}
            for label in explanation.labels[:explanation.n_labels]]


def fit(library, z, outputs, labels=None, **options):
    """lm_lime_fit of any z: an explanation of other samples of that size lends its memory."""
    count, segments = z.shape
    labels = list(range(outputs.shape[1])) if labels is None else labels
    samples, error, explanation = Samples(), Error(), Explanation()
    # The library frees z, so it has to come from the library: never an exact design here.
    big = max(segments, 33)
    assert library.lm_samples_draw(big, count, 0.5, 0, samples, error) == LM_OK, error.text
    ctypes.memmove(samples.z, z.astype(np.uint8).tobytes(), z.size)
    samples.segments = segments
    outputs = np.ascontiguousarray(outputs, np.float64)
    status = library.lm_lime_fit(
        Options(**options), samples, outputs.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
        outputs.shape[1], (ctypes.c_uint32 * len(labels))(*labels), len(labels), explanation,
        error)
    assert status == LM_OK, error.text
    result = read_labels(explanation)
    library.lm_explanation_free(ctypes.byref(explanation))
    return result


def cosine_distances(z):
    return sklearn.metrics.pairwise_distances(z, z[0].reshape(1, -1), metric="cosine").ravel()


def kernel(distances, width):
    return np.sqrt(np.exp(-(distances ** 2) / width ** 2))


def fit_with_lime(z, outputs, label, num_features=0, kernel_width=WIDTH):
    base = lime.lime_base.LimeBase(lambda d: kernel(d, kernel_width), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        intercept, weights, score, local = base.explain_instance_with_data(
            z.astype(np.int64), outputs, cosine_distances(z.astype(np.int64)), label,
            num_features or 100000, feature_selection="highest_weights")
    return {"intercept": intercept, "score": score, "local": local[0],
            "segments": [int(s) for s, _ in weights], "weights": np.array([w for _, w in weights])}


def network(rng, z, outputs):
    """Probabilities of something like a network: a softmax of sums with pairs and a bend."""
    segments = z.shape[1]
    logits = (z - 0.5) @ rng.normal(0, 2 / np.sqrt(segments), (segments, outputs))
    logits += np.tanh(z @ rng.normal(0, 1 / np.sqrt(segments), (segments, outputs)))
    logits += (z[:, :1] * z[:, -1:]) * rng.normal(0, 1, (1, outputs))
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def dense_errors(z, outputs, kernel_width=WIDTH, alpha=ALPHA):
    """Standard errors from the whole hat matrix with an explicit intercept."""
    count, segments = z.shape
    w = kernel(cosine_distances(z.astype(np.int64)), kernel_width)
    x = np.hstack([np.ones((count, 1)), z])
    penalty = alpha * np.eye(segments + 1)
    penalty[0, 0] = 0
    back = np.linalg.solve(x.T @ (w[:, None] * x) + penalty, x.T * w)
    rest = np.eye(count) - x @ back
    freedom = np.trace(rest.T @ (w[:, None] * rest))
    residuals = rest @ outputs
    noise = (w[:, None] * residuals ** 2).sum(0) / freedom
    return np.sqrt(noise[None] * (back[1:] ** 2).sum(1)[:, None]), back[1:]


@unittest.skipIf(MISSING, MISSING)
class LimePackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.library = load()
        cls.largest, cls.compared = {}, 0

    @classmethod
    def tearDownClass(cls):
        print("\nlargest differences from lime over %d surrogates: %s" % (
            cls.compared, ", ".join("%s %.2g" % item for item in sorted(cls.largest.items()))))

    def note(self, name, difference, tolerance, message):
        self.largest[name] = max(self.largest.get(name, 0), float(difference))
        self.assertLessEqual(difference, tolerance, "%s of %s" % (name, message))

    def compare(self, z, ours, theirs, message, tolerance=1e-10, score=True):
        """By column: which of several equal ones is chosen is for rounding to decide."""
        type(self).compared += 1
        a, b = (sorted((z[:, segment].tobytes(), weight) for segment, weight
                       in zip(fitted["segments"], fitted["weights"])) for fitted in (ours, theirs))
        self.assertEqual([column for column, _ in a], [column for column, _ in b], message)
        self.note("weights", max(abs(x[1] - y[1]) for x, y in zip(a, b)), tolerance, message)
        self.assertTrue((np.diff(np.abs(ours["weights"])) <= 0).all(), message)
        for name in ("intercept", "local") + (("score",) if score else ()):
            self.note(name, abs(ours[name] - theirs[name]), tolerance, message)

    def check(self, z, outputs, message, score=True, **options):
        for ours in fit(self.library, z, outputs, **options):
            theirs = fit_with_lime(z, outputs, ours["label"], options.get("num_features", 0),
                                   options.get("kernel_width", WIDTH))
            self.compare(z, ours, theirs, "%s label %d" % (message, ours["label"]), score=score)

    def test_shapes(self):
        rng = np.random.default_rng(1)
        for segments in (2, 3, 5, 8, 13, 31, 50, 64, 65, 100, 200):
            for count in (10, 11, 32, 100, 333, 1000, 2000):
                z = draw(self.library, segments, count, seed=segments * count)
                outputs = network(rng, z, 3)
                name = "%d segments, %d samples" % (segments, count)
                self.check(z, outputs, name)
                for features in (1, 7, segments - 1):
                    if 0 < features < segments:
                        self.check(z, outputs, "%s, %d features" % (name, features),
                                   num_features=features)

    def test_kernel_widths_and_shares(self):
        rng = np.random.default_rng(2)
        for width in (0.05, 0.1, 0.5, 1, 10):
            for keep in (0.1, 0.5, 0.9):
                z = draw(self.library, 30, 400, seed=4, keep=keep)
                self.check(z, network(rng, z, 2), "width %g, keep %g" % (width, keep),
                           kernel_width=width)

    def test_exact_designs(self):
        rng = np.random.default_rng(3)
        for segments in range(1, 11):
            z = draw(self.library, segments, 1024, seed=0)
            self.assertEqual(len(np.unique(z, axis=0)), 2 ** segments)
            self.check(z, network(rng, z, 3), "exact, %d segments" % segments)

    def test_equal_columns(self):
        rng = np.random.default_rng(4)
        z = draw(self.library, 20, 300, seed=5)
        z[:, 7] = z[:, 3]
        z[:, 11] = z[:, 3]
        z[:, 19] = 1
        self.check(z, network(rng, z, 3), "equal columns")

    def test_constant_outputs(self):
        z = draw(self.library, 20, 300, seed=6)
        for value in (0.0, 0.5, 1.0):  # whose weighted mean is exact, so that sklearn's score is
            self.check(z, np.full((300, 1), value), "constant %g" % value)
        self.check(z, np.full((300, 1), 0.3), "constant 0.3", score=False)

    def test_equal_samples(self):
        rng = np.random.default_rng(7)
        z = np.repeat(draw(self.library, 20, 5, seed=7), 20, axis=0)
        self.check(z, network(rng, z, 2) + rng.normal(0, 0.01, (100, 2)), "equal samples")

    def test_few_samples(self):
        rng = np.random.default_rng(8)
        for count in (2, 3, 10, 50):
            z = draw(self.library, 60, count, seed=8)
            self.check(z, network(rng, z, 2), "%d samples of 60" % count)

    def test_image_explainer(self):
        """The package from picture to explanation, with its samples and outputs tapped."""
        tapped = {}

        class Tap(lime.lime_image.LimeImageExplainer):
            def data_labels(self, *arguments, **named):
                tapped["z"], tapped["outputs"] = super().data_labels(*arguments, **named)
                return tapped["z"], tapped["outputs"]

        def classify(images):
            means = np.asarray(images, float).reshape(len(images), 8, 4, 8, 4, 3).mean((2, 4, 5))
            logits = means.reshape(len(images), -1) @ mixing
            return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

        rng = np.random.default_rng(9)
        mixing = rng.normal(0, 1, (64, 6))
        cells = np.arange(32) // 4
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            explanation = Tap(random_state=0).explain_instance(
                rng.random((32, 32, 3)), classify, hide_color=0, top_labels=3, num_samples=500,
                segmentation_fn=lambda image: cells[:, None] * 8 + cells)

        @PREDICT
        def replay(_context, samples, outputs, _error):
            drawn = samples.contents
            self.assertEqual((drawn.count, drawn.segments), tapped["z"].shape)
            ctypes.memmove(drawn.z, tapped["z"].astype(np.uint8).tobytes(), tapped["z"].size)
            ctypes.memmove(outputs, tapped["outputs"].tobytes(), tapped["outputs"].nbytes)
            return LM_OK

        ours, error = Explanation(), Error()
        status = self.library.lm_explain_lime(Options(samples=500), 64, 6, None, 3, replay, None,
                                              ours, error)
        self.assertEqual(status, LM_OK, error.text)
        self.assertEqual([l["label"] for l in read_labels(ours)], explanation.top_labels)
        for label in read_labels(ours):
            weights = explanation.local_exp[label["label"]]
            self.assertEqual(label["segments"], [s for s, _ in weights])
            self.note("weights", np.abs(label["weights"] - [w for _, w in weights]).max(), 1e-10,
                      "image explainer")
            self.note("intercept", abs(label["intercept"] - explanation.intercept[label["label"]]),
                      1e-10, "image explainer")
        top = read_labels(ours)[0]  # the package keeps these two of the label that it fits last
        self.note("score", abs(top["score"] - explanation.score), 1e-10, "image explainer")
        self.note("local", abs(top["local"] - explanation.local_pred[0]), 1e-10, "image explainer")
        self.library.lm_explanation_free(ctypes.byref(ours))


@unittest.skipIf(MISSING, MISSING)
class StandardErrors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.library = load()

    def test_against_dense_algebra(self):
        rng = np.random.default_rng(11)
        largest = 0
        for segments, count in ((3, 8), (8, 100), (20, 15), (50, 1000), (100, 300)):
            z = draw(self.library, segments, count, seed=12)
            outputs = network(rng, z, 2)
            expected, _ = dense_errors(z, outputs)
            for label in fit(self.library, z, outputs):
                mine = label["errors"][np.argsort(label["segments"])]
                difference = np.abs(mine / expected[:, label["label"]] - 1).max()
                largest = max(largest, difference)
                self.assertLess(difference, 1e-8, "%d segments, %d samples" % (segments, count))
        print("\nlargest relative difference of standard errors: %.2g" % largest)

    def test_with_chosen_features(self):
        rng = np.random.default_rng(13)
        z = draw(self.library, 20, 200, seed=13)
        outputs = network(rng, z, 2)
        label = fit(self.library, z, outputs, num_features=6)[0]
        # Distances stay those of all segments; only the regression loses columns.
        w = kernel(cosine_distances(z.astype(np.int64)), WIDTH)
        x = z[:, label["segments"]].astype(float)
        x -= np.average(x, axis=0, weights=w)
        inverse = np.linalg.inv(x.T @ (w[:, None] * x) + np.eye(6))
        m = x.T @ ((w ** 2)[:, None] * x)
        y = outputs[:, 0] - np.average(outputs[:, 0], weights=w)
        residuals = y - x @ label["weights"]
        hat = np.outer(np.ones(200), w) / w.sum() + x @ inverse @ (x.T * w)
        rest = np.eye(200) - hat
        noise = (w * residuals ** 2).sum() / np.trace(rest.T @ (w[:, None] * rest))
        expected = np.sqrt(noise * np.diag(inverse @ m @ inverse))
        self.assertLess(np.abs(label["errors"] / expected - 1).max(), 1e-9)

    def coverage(self, segments, count, **options):
        """Share of 95 % intervals that hold the coefficient expected without noise."""
        rng = np.random.default_rng(14)
        z = draw(self.library, segments, count, seed=14)
        truth = z @ rng.normal(0, 0.1, segments) + 0.2
        outputs = truth[:, None] + rng.normal(0, 0.05, (count, 400))
        _, back = dense_errors(z, outputs, options.get("kernel_width", WIDTH))
        expected = back @ truth
        hits, ratio = [], []
        for label in fit(self.library, z, outputs, **options):
            wanted = expected[label["segments"]]
            hits.append(np.abs(label["weights"] - wanted) < 1.96 * label["errors"])
            ratio.append(label["errors"][np.argsort(label["segments"])])
        spread = (back @ outputs).std(1, ddof=1)
        return np.mean(hits), np.sqrt(np.mean(np.square(ratio), 0)) / spread

    def test_coverage_of_noise(self):
        """Ridge bias adds a little to the residuals where samples are few, never takes away."""
        for segments, count, options in ((10, 200, {}), (10, 1000, {}), (50, 1000, {}),
                                         (50, 300, {}), (10, 400, {"kernel_width": 0.1})):
            share, ratio = self.coverage(segments, count, **options)
            print("\n%d segments, %d samples%s: 95 %% intervals hold in %.1f %%, error / spread "
                  "%.2f" % (segments, count, " %s" % options if options else "", 100 * share,
                            np.mean(ratio)), end="")
            self.assertGreater(share, 0.92)
            self.assertLess(share, 0.99)

    def test_spread_over_seeds(self):
        """What a reader wants of them: how far weights move with other samples."""
        mixing = np.random.default_rng(15)
        segments, slopes = 20, mixing.normal(0, 0.7, (20, 3))
        pairs = mixing.normal(0, 0.2, (segments, segments))

        def classify(z):
            logits = (z - 0.5) @ slopes
            logits[:, 0] += np.einsum("ij,jk,ik->i", z, pairs, z)
            exponentials = np.exp(logits)
            return exponentials / exponentials.sum(1, keepdims=True)

        weights, errors = [], []
        for seed in range(200):
            z = draw(self.library, segments, 500, seed=seed)
            label = fit(self.library, z, classify(z.astype(float)), labels=[0])[0]
            order = np.argsort(label["segments"])
            weights.append(label["weights"][order])
            errors.append(label["errors"][order])
        ratio = np.sqrt(np.mean(np.square(errors), 0)) / np.std(weights, 0, ddof=1)
        print("\nstandard error / spread over 200 seeds of a network with pairs: %.2f to %.2f, "
              "mean %.2f" % (ratio.min(), ratio.max(), ratio.mean()))
        self.assertGreater(ratio.mean(), 0.6)
        self.assertLess(ratio.mean(), 1.6)


if __name__ == "__main__":
    unittest.main()
