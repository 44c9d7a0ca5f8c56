#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Times drae against PyTorch, ONNX Runtime and OpenVINO on this machine's CPU: same weights, same
# patches, results checked first. Installs the frameworks (about 6 GB) in a virtual environment of
# its own and builds drae where it has not been built; nothing else of the project needs either.
#   scripts/peers.sh MODEL.h5 DATA.h5 OUT [options of scripts/peers/compare.py]
# DRAE_PEERS_VENV names another place for the environment than build-peers-venv/. Exit status: that
# of compare.py; 2 wrong usage.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
if [ "$#" -lt 3 ]; then
    sed -n '3,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
venv="${DRAE_PEERS_VENV:-$root/build-peers-venv}"
if [ ! -e "$venv/complete" ]; then
    echo "peers: installing the frameworks in $venv"
    /usr/bin/python3 -m venv "$venv" || {
        echo "peers: install python3-venv (Debian) and run this again" >&2
        exit 1
    }
    "$venv/bin/pip" install --quiet --upgrade numpy h5py onnx onnxruntime openvino torch
    touch "$venv/complete"
fi
case " $* " in
*" --build "*) ;;
*)
    (cd "$root" && cmake --preset release >/dev/null &&
        cmake --build --preset release --target drae drae_shared bench_train_step >/dev/null)
    ;;
esac
exec "$venv/bin/python" "$root/scripts/peers/compare.py" "$@"
