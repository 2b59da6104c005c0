#!/bin/bash
# SPDX-License-Identifier: MIT
# The SDK as somebody else finds it: installed into an empty place, used outside the tree.  Prints TAP; exits with 1 if something failed.
# usage: tests/sdk/run.sh [BUILD]
set -u
root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
build=$(readlink -f "${1:-build}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BUILD=$build FEUER_BUILD=$build
unset MAKEFLAGS MAKELEVEL MFLAGS
failed=0 number=0 status=0 limit=120

say() { # good?, name
    number=$((number + 1))
    if [ "$1" = 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        "$root/tests/why" "$work/log" $status $limit
        failed=1
    fi
}
boot() { # options of feuer run; the console goes to the log, and must show the lines in $want (extended patterns)
    timeout $limit "$root/tools/feuer" run "$@" </dev/null 2>&1 | tr -d '\r' >"$work/log"
    status=${PIPESTATUS[0]}
    local line
    while read -r line; do
        [ -z "$line" ] || grep -aqE "$line" "$work/log" || { echo "# missing: $line"; return 1; }
    done <<<"$want"
    ! grep -aqE 'PANIC|fault [0-9]+ at' "$work/log"
}

(cd "$root" && make -s install PREFIX="$work/sdk") >"$work/log" 2>&1
say $? "make install"
export PATH=$work/sdk/bin:$PATH PKG_CONFIG_PATH=$work/sdk/lib/pkgconfig
mkdir "$work/out" && cd "$work/out" || exit 1
cp "$root/sdk/examples/hello.c" .

for header in abi/layout.h abi/calls.h sdk/abi.h sdk/heap.h sdk/instance.h sdk/libos.h sdk/loan.h sdk/ring.h sdk/sdk.h sdk/share.h sdk/steward.h sdk/stubs.h; do
    echo "#include <$header>" | feuer-cc --libos -Wall -Wextra -Werror -Wno-unused-function -x c -c -o /dev/null - || echo "$header"
done >"$work/log" 2>&1
[ ! -s "$work/log" ]
say $? "each header that is installed stands alone"

feuer-cc --libos -Wall -Wextra -Werror -o hello.elf hello.c >"$work/log" 2>&1
say $? "hello is built outside the tree"
manifest=$root/tests/manifests/hello.manifest
want='^hello: ABI [0-9]+, [0-9]+ vCPUs, 4096 KiB
^hello: the process writes: hello from a process$
^hello: the process ends with 20$'
for cpus in 1 2 4; do
    boot --cpus "$cpus" --manifest "$manifest" --personality hello=hello.elf
    say $? "hello runs with $cpus CPUs"
done
{ cat "$manifest"; echo '    gate direct'; } >direct.manifest
boot --manifest direct.manifest --personality hello=hello.elf
say $? "hello runs with gate direct"

# shellcheck disable=SC2046
gcc -O2 -Wall $(pkg-config --cflags feuerbird-libos) -c -o hello.o hello.c >"$work/log" 2>&1 &&
    gcc -o packaged.elf hello.o $(pkg-config --libs feuerbird-libos) >>"$work/log" 2>&1 &&
    boot --manifest "$manifest" --personality hello=packaged.elf
say $? "what pkg-config says is enough"

# The note is name, padding, version: another version, then another name.
python3 - <<'END'
image = bytearray(open("hello.elf", "rb").read())
at = image.find(b"FeuerBird\0")
for path, offset, value in (("other.elf", 12, 99), ("nameless.elf", 0, ord("X"))):
    copy = bytearray(image)
    copy[at + offset] = value
    open(path, "wb").write(copy)
END
want='instance hello: personality .hello. is built for ABI 99; this system has [0-9]+'
boot --manifest "$manifest" --personality hello=other.elf
say $? "an image for another ABI is refused"
want='instance hello: personality .hello. does not say for which ABI it is built'
boot --manifest "$manifest" --personality hello=nameless.elf
say $? "an image that does not say its ABI is refused"
want='instance hello: there is no personality .nowhere.'
sed 's/personality hello/personality nowhere/' "$manifest" >nowhere.manifest
boot --manifest nowhere.manifest --personality elsewhere=hello.elf
say $? "a personality that is nowhere is reported"

cp "$root/sdk/examples/talk.c" .
feuer-cc --libos -Wall -Wextra -Werror -o talk.elf talk.c >"$work/log" 2>&1
say $? "talk is built outside the tree"
want='^lender: 20000 pages there and back, 0 wrong, 0 words refused, it slept, in several sessions$'
for cpus in 1 2 4; do
    boot --cpus "$cpus" --manifest "$root/tests/manifests/talk.manifest" --personality talk=talk.elf
    say $? "two LibOSes lend pages to each other over rings, and one is restarted, with $cpus CPUs"
done

feuer-cc --libos -Wall -Wextra -Werror -o vandal.elf "$root/tests/sdk/vandal.c" >"$work/log" 2>&1
say $? "vandal is built outside the tree"
# The lender finds out that it is lied to, and ends by its own hand; one that nobody lies to is not disturbed.
cat >vandal.manifest <<'END'
instance lender
    personality talk
    memory 4M
    cpus all
    devices console
    share talk 16 with vandal
    args talk.pages=100000000
    on-end restart
instance vandal
    personality vandal
    memory 4M
    cpus all
    devices console
    on-end restart
instance honest
    personality talk
    memory 4M
    cpus all
    devices console power
    share talk2 16 with borrower
    args talk.name=talk2 talk.pages=60000
    on-end power
instance borrower
    personality talk
    memory 4M
    cpus all
    devices console
    args talk.name=talk2
    on-end restart
END
want='^vandal: refused as it should be$
^lender: [0-9]+ pages there and back, 1 wrong,
^honest: 60000 pages there and back, 0 wrong, 0 words refused, it slept, in one session$'
for cpus in 1 2 4; do
    boot --cpus "$cpus" --append console=ttyS0 --manifest vandal.manifest --personality talk=talk.elf --personality vandal=vandal.elf
    say $? "noise in shared memory harms nobody but who talks with its maker, with $cpus CPUs"
done

feuer-cc --libos -Wall -Wextra -Werror -o told.elf "$root/tests/sdk/told.c" >"$work/log" 2>&1
say $? "told is built outside the tree"
# None of them would end by itself, and the deadline is far off.  Each has begun before it is told.
{
    printf 'instance main\n personality posix\n memory 96M\n devices com1 com2 host power control\n initrd yes\n on-end power\n'
    for how in process masked own; do
        printf 'instance %s\n personality told\n memory 4M\n cpus all\n args told=%s\n' $how $how
    done
    printf 'instance rt\n personality rt\n memory 8M\n cpus 0\n slice 1000\n args rt.ms=100000000\n'
    printf 'instance late\n personality rt\n memory 8M\n cpus 0\n args rt.after=100000000\n'
} >told.manifest
timeout 100 "$root/tools/feuer" exec --cpus 2 --manifest told.manifest --personality told=told.elf --timeout 90 -- /bin/sh -c '
    for name in process masked own; do
        for n in $(seq 200); do zonectl log $name | grep -q begins && break; sleep 0.1; done
    done
    for name in process masked own rt late; do zonectl stop $name -t 60 || exit 1; done
    zonectl log own' >"$work/log" 2>&1
for name in process masked own rt late; do echo "$name is down: exit, code 0"; done >told.want
echo "own: vCPU 0 puts things in order, in time" >>told.want
tr -d '\r' <"$work/log" | grep -v ': begins$' | cmp - told.want >>"$work/log"
say $? "LibOSes end when they are told to: in a process, masked, in order, and rt"

printf 'int main(void) { return 42; }\n' >posix.c
mkdir add
feuer-cc -o add/posix posix.c >"$work/log" 2>&1 && timeout $limit "$root/tools/feuer" exec --add add -- /add/posix >"$work/log" 2>&1
[ $? = 42 ]
say $? "feuer-cc builds POSIX programs"

mkdir "$work/home"
cd "$root" && timeout 400 tests/sdk/steps.py docs/writing-a-libos.md "$root" "$work/home" >"$work/steps"
status=$?
while read -r line; do
    case $line in
    *"ok "*) number=$((number + 1)) line=$(sed -E "s|ok [0-9]+ - |ok $number - docs/writing-a-libos.md: |" <<<"$line") ;;
    1..*) continue ;;
    esac
    echo "$line"
done <"$work/steps"
[ $status = 0 ] || failed=1
echo "1..$number"
exit $failed
