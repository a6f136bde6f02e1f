#!/usr/bin/env bash
# Check and measure a machine with a GPU: benchmarks/gpu_check.sh [options of gpu_check.py]
#
# Runs from a checkout, installed or not, with the Python in $PYTHON (python3). Needs torch, timm,
# NumPy, safetensors and huggingface_hub; where there is no network, $WHEELS names a folder with
# the wheels of those that are missing or too old.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -n "${WHEELS:-}" ]; then
    "$python" -m pip install --quiet --no-index --no-deps --target "$scratch" "$WHEELS"/*.whl
fi
ln -s "$root" "$scratch/a2pipe"
PYTHONPATH="$scratch:${PYTHONPATH:-}" "$python" "$root/benchmarks/gpu_check.py" "$@"
