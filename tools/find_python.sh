#!/bin/sh
# Print the command of a CPython 3.11 or newer that runs: the first of the names given (default: the usual ones), as a
# command or among the versions that pyenv keeps in the home folder. Print nothing and end with 1 if there is none.
set -eu

good() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.implementation.name != "cpython")' 2>/dev/null
}

[ $# -gt 0 ] || set -- python3 python3.13 python3.12 python3.11 python
for name; do
    for candidate in "$name" "${HOME:-}"/.pyenv/versions/*/bin/"$name"; do
        if good "$candidate"; then
            echo "$candidate"
            exit 0
        fi
    done
done
exit 1
