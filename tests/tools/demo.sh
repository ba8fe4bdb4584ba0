#!/bin/bash
# Explains an example picture of the embedded model: `make demo` runs it.
#
#     tests/tools/demo.sh BUILD [EXAMPLE]
#
# Then asks the same with black and with grey paint instead of layer masking, and how much of the
# positive weight each puts on segments of the object, whose pixels are known.
set -eu
cd "$(dirname "$0")/../.."
build=$1
example=${2:-star}
model=config/models/shapes
picture=$model/examples/$example.png
out=$build/demo
mkdir -p "$out"

explain() {
    "$build/layermask" explain --model "$model" "$picture" --segmentation slic:50 --samples 1000 \
        --seed 0 --include segments --json "$out/$1.json" --masking "$@"
}

echo "layermask explain --model $model $picture -o $out/overlay.png"
echo
explain layer -o "$out/overlay.png"
explain black >"$out/black.txt"
explain grey >"$out/grey.txt"
shares=$("$build/tests/tools/weight_on_object" "$model/examples/$example.mask.png" \
    "$out/layer.json" "$out/black.json" "$out/grey.json")
set -- $shares
echo
echo "positive weight on segments that touch the object: layer masking $1 %, black paint $3 %," \
    "grey paint $5 % (they are $2 % of the segments)"
