#!/bin/sh
# make_venv.sh DIR EXTRAS: make a virtual environment in DIR, with this project and its EXTRAS, editable.
# It takes $SWITCHMASTER_PYTHON, or the first Python from 3.11 on that can make one, and names what is missing if
# there is none. A second call only updates the packages.
set -eu

venv=$1
extras=$2

fits() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${SWITCHMASTER_PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if fits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    if [ -n "${SWITCHMASTER_PYTHON:-}" ]; then
        echo "SWITCHMASTER_PYTHON=$SWITCHMASTER_PYTHON is not a Python from 3.11 on with its venv module." >&2
    else
        echo "No Python from 3.11 on with its venv module was found (tried python3, python3.13, python3.12" \
            "and python3.11). Install one (on Debian and Ubuntu: python3 and python3-venv), or name one:" \
            "make setup SWITCHMASTER_PYTHON=/path/to/python3" >&2
    fi
    return 1
}

# A virtual environment whose Python was removed or upgraded away is recreated.
if ! "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; then
    python=$(find_python)
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

echo "Installing switchmaster[$extras] into $venv ($("$venv/bin/python" -V)) ..."
if ! "$venv/bin/python" -m pip install -qq --disable-pip-version-check --editable ".[$extras]"; then
    echo "pip could not install switchmaster[$extras] into $venv, for the reason above; it needs a package" \
        "index (the network, or pip's own settings for a mirror). Run the same command again after that." >&2
    exit 1
fi
