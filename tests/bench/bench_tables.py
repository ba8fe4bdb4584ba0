"""The tables of bench.py, from its measurements, in Markdown.

A measurement is what one process said, {"ms_per_sample": ...} at least; a contender has a list of
them.  The document of a run:

    {"machine": "...", "threads": 2, "repetitions": 5, "seconds": 600, "peers": {"onnxruntime": "1.32"},
     "networks": {"resnet50": {"grid": [...], "slic": [...], ...}, ...},
     "cpu": False, "explain": {"1": [{"samples_per_s": ...}], "2": [...]},
     "lime": [{"seconds": ..., "segment": ..., "forward": ..., "fit": ...}],
     "notes": ["what was skipped, and why"]}
"""
import re
import statistics

COLUMNS = {
    "grid": "16x16, half hidden",
    "slic": "SLIC 50, half hidden",
    "most": "SLIC 50, 80 % hidden",
    "plain": "plain",
    "lone": "plain, one at a time",
    "onnxruntime": "onnxruntime, batch 16",
    "onnxruntime_lone": "onnxruntime, batch 1",
    "torch": "torch, batch 16",
}
PEER_OF = {"grid": "onnxruntime", "slic": "onnxruntime", "most": "onnxruntime",
           "plain": "onnxruntime", "lone": "onnxruntime_lone"}
# Ours / onnxruntime, at most.
TARGETS = {"resnet50": {"grid": 0.60, "slic": 0.42, "most": 0.30, "plain": 1.0, "lone": 1.1}}
TARGETS_OF_OTHERS = {"slic": 0.75, "plain": 1.15}
MISSED = " **!**"
BLOCK = re.compile(r"(<!-- bench -->\n).*?(<!-- /bench -->)", re.DOTALL)


def median(results, key="ms_per_sample"):
    return statistics.median(result[key] for result in results)


def markdown(head, rows):
    """A table whose columns line up; all but the first to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    def line(cells):
        first, *rest = [cell.ljust(w) if i == 0 else cell.rjust(w)
                        for i, (cell, w) in enumerate(zip(cells, widths))]
        return "| " + " | ".join([first, *rest]) + " |"
    rule = "| " + " | ".join("-" * w if i == 0 else "-" * (w - 1) + ":"
                             for i, w in enumerate(widths)) + " |"
    return "\n".join([line(head), rule, *map(line, rows)])


def milliseconds(networks):
    keys = [key for key in COLUMNS if any(key in results for results in networks.values())]
    rows = [[name, *[f"{median(results[key]):.2f}" if results.get(key) else "-" for key in keys]]
            for name, results in networks.items()]
    return markdown(["network", *[COLUMNS[key] for key in keys]], rows)


def against(value, target, met, form="{:.2f}"):
    """"0.55 (0.60)", with a mark if the target is missed."""
    text = form.format(value)
    if target is None:
        return text
    return f"{text} ({form.format(target)})" + ("" if met else MISSED)


def ratio_cell(network, results, key):
    peer = results.get(PEER_OF[key])
    if not results.get(key) or not peer:
        return "-"
    value = median(results[key]) / median(peer)
    target = TARGETS.get(network, TARGETS_OF_OTHERS).get(key)
    return against(value, target, target is None or value <= target)


def ratios(networks):
    keys = [key for key in PEER_OF if any(key in results for results in networks.values())]
    rows = [[name, *[ratio_cell(name, results, key) for key in keys]]
            for name, results in networks.items()]
    return markdown(["ours / onnxruntime", *[COLUMNS[key] for key in keys]], rows)


# ---------------------------------------------------------------- one figure a row

def sgemm_rows(results):
    for key in ("grid", "slic"):
        share = statistics.median(r["gflops_per_s"] / r["sgemm_gflops_per_s"]
                                  for r in results.get(key, [])) if results.get(key) else None
        if share is not None:
            yield (f"resnet50, {COLUMNS[key]}: share of sgemm's rate, on needed operations",
                   f"{100 * share:.0f} %", ">= 85 %", share >= 0.85)


def bfloat16_rows(results):
    for key in ("grid", "slic"):
        if results.get(key + "_bf16"):
            value = median(results[key + "_bf16"]) / median(results[key])
            yield (f"resnet50, {COLUMNS[key]}: bfloat16 / float32", f"{value:.2f}", "<= 0.60",
                   value <= 0.6)


def memory_rows(results):
    if results.get("slic"):
        peak = median(results["slic"], "peak_rss_bytes") / 1e6
        weights = median(results["slic"], "weight_bytes") / 1e6
        yield (f"resnet50, {COLUMNS['slic']}: peak memory", f"{peak:.0f} MB",
               f"<= {weights + 100:.0f} MB (weights + 100)", peak <= weights + 100)


def explain_rows(explain):
    if len(explain) == 2:
        (few, slow), (many, fast) = [(threads, median(results, "samples_per_s"))
                                     for threads, results in explain.items()]
        yield (f"explain, resnet50: {few} and {many} threads",
               f"{slow:.1f} and {fast:.1f} samples a second, {fast / slow:.2f}",
               ">= 1.90", fast / slow >= 1.9)


def lime_rows(lime):
    if lime:
        seconds = median(lime, "seconds")
        parts = {key: median(lime, key) / seconds for key in ("segment", "forward", "fit")}
        parts["rest"] = max(0, 1 - sum(parts.values()))
        others = ", ".join(f"{key} {100 * share:.1f} %" for key, share in parts.items()
                           if key != "forward")
        worst = max(share for key, share in parts.items() if key != "forward")
        yield ("LIME, 1000 samples, squeezenet, JPEG in, JSON out",
               f"{seconds:.2f} s; {others}", "each other part <= 3 %", worst <= 0.03)


def figures(document):
    resnet50 = document["networks"].get("resnet50", {})
    rows = [*sgemm_rows(resnet50), *bfloat16_rows(resnet50), *explain_rows(document["explain"]),
            *lime_rows(document["lime"]), *memory_rows(resnet50)]
    return markdown(["what", "measured", "target"],
                    [[what, measured + ("" if met else MISSED), target]
                     for what, measured, target, met in rows]) if rows else ""


def by_processor(result):
    """The same measurement in processor time."""
    changed = {**result, "ms_per_sample": result["cpu_ms_per_sample"]}
    if "gflops_per_s" in result:
        changed["gflops_per_s"] *= result["ms_per_sample"] / result["cpu_ms_per_sample"]
    return changed


def in_processor_time(networks):
    return {name: {key: [by_processor(result) for result in results]
                   for key, results in contenders.items()}
            for name, contenders in networks.items()}


def text(document):
    if document["cpu"]:
        document = {**document, "networks": in_processor_time(document["networks"])}
    peers = ", ".join(f"{name} {version}" for name, version in document["peers"].items())
    samples = [results[0] for network in document["networks"].values()
               for key, results in network.items() if key == "slic" and results]
    sizes = sorted({sample["batch"] for sample in samples})
    batch = f" in micro-batches of {' to '.join(map(str, sizes[:1] + sizes[1:][-1:]))}" if sizes else ""
    clock = " of processor time" if document["cpu"] else ""
    parts = [f"Milliseconds{clock} a picture at 224 x 224 on {document['machine']}; medians of "
             f"{document['repetitions']}, all in turn. Ours{batch}; masked samples are of one "
             f"picture, as in an explanation{'; ' + peers if peers else ''}.",
             milliseconds(document["networks"])]
    if "onnxruntime" in document["peers"]:
        parts += [f"In brackets: the target;{MISSED} where it is missed.",
                  ratios(document["networks"])]
    parts += [figures(document), *document["notes"]]
    return "\n\n".join(part for part in parts if part)


def filled(readme, document):
    """The README with these tables between its marks."""
    return BLOCK.sub(lambda marks: f"{marks[1]}{text(document)}\n{marks[2]}", readme)
