#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs the Debian packages that building and running need, and with the word `test` those that testing needs as well,
# if any is missing.  As root, or through sudo.  Says nothing when all is there.
set -eu

# command or file, and the package that brings it
needs="
git git
make make
gcc gcc
ld binutils
python3 python3
qemu-system-x86_64 qemu-system-x86
musl-gcc musl-tools
/usr/include/stdio.h libc6-dev
mmdebstrap mmdebstrap
fakechroot fakechroot
fakeroot fakeroot
/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
"
if [ "${1:-}" = test ]; then
    needs+="
clang clang
/usr/lib/clang/14/lib/linux/libclang_rt.fuzzer-x86_64.a libclang-rt-14-dev
cpio cpio
gzip gzip
xz xz-utils
z3 z3
/usr/lib/python3/dist-packages/z3 python3-z3
spin spin
"
fi

missing=()
while read -r need package; do
    [ -n "$need" ] || continue
    case $need in
    /*) [ -e "$need" ] || missing+=("$package") ;;
    *) command -v "$need" >/dev/null 2>&1 || missing+=("$package") ;;
    esac
done <<<"$needs"

[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "deps.sh: missing: ${missing[*]}; this is not Debian, install them yourself" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "deps.sh: missing: ${missing[*]}; run this as root, or install sudo" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "deps.sh: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q >&2
"${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
