#!/usr/bin/env bash
# Side by side with peers, in an environment of its own: benchmarks/peers.sh [options of peers.py]
#
# The environment is made once, in $PEERS_VENV (.venv-peers in the repository), by the Python in
# $PYTHON (python3), from this checkout and peers.txt.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
venv=${PEERS_VENV:-$root/.venv-peers}
if [ ! -e "$venv/.ready" ]; then
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --upgrade pip "setuptools>=77" wheel
    "$venv/bin/python" -m pip install --quiet --no-build-isolation --editable "$root" \
        --requirement "$root/benchmarks/peers.txt"
    touch "$venv/.ready"
fi
exec "$venv/bin/python" "$root/benchmarks/peers.py" "$@"
