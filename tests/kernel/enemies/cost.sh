#!/bin/bash
# SPDX-License-Identifier: MIT
# What a revocation costs, in instructions: tests/kernel/enemies/cost.c on one CPU that counts them.
# usage: tests/kernel/enemies/cost.sh [BUILD]        the table of docs/results/revoke.tsv
set -eu
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/../with-manifest" "${1:-build}/feuerbird" "$here/../../manifests/cost.manifest" "$work/kernel"
timeout 300 qemu-system-x86_64 -kernel "$work/kernel" -display none -serial stdio -no-reboot -m 96 -smp 1 -accel tcg -cpu max,-erms,-pku \
    -icount shift=0,sleep=off -append "console=ttyS0 panic=-1 ktest.cost" </dev/null >"$work/log" 2>&1 || true
grep -aq '^1\.\.' "$work/log" && ! grep -aq '^not ok' "$work/log" || { tail -n 20 "$work/log" >&2; exit 1; }
echo "# tests/kernel/enemies/cost.sh: instructions of a revocation (all its steps, from Ring 3), with one CPU"
printf '# subtree\tcapabilities\tothers in the table\tpages mapped by their holder\tinstructions\tfor each\tlongest step\n'
tr -d '\r' <"$work/log" | sed -n 's/^cost //p'
