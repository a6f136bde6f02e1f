#!/usr/bin/env bash
# Check and measure a machine with a GPU: benchmarks/gpu_check.sh [options of gpu_check.py]
# From JPEG files to the matrix:          benchmarks/gpu_check.sh --end-to-end [options of
#                                         gpu_end_to_end.py]
#
# Runs from a checkout, installed or not, with the Python in $PYTHON (python3). Needs torch, timm,
# NumPy, safetensors and huggingface_hub, and end to end all that pyproject.toml names: what is
# missing is told first. Where there is no network, $WHEELS names a folder with the wheels of those
# that are missing or too old.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -n "${WHEELS:-}" ]; then
    "$python" -m pip install --quiet --no-index --no-deps --target "$scratch" "$WHEELS"/*.whl
fi
ln -s "$root" "$scratch/a2pipe"
export PYTHONPATH="$scratch:${PYTHONPATH:-}"
if [ "${1:-}" = --end-to-end ]; then
    shift
    "$python" "$root/benchmarks/dependencies.py"
    "$python" "$root/benchmarks/gpu_end_to_end.py" "$@"
else
    "$python" "$root/benchmarks/gpu_check.py" "$@"
fi
