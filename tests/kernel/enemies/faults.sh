#!/bin/bash
# SPDX-License-Identifier: MIT
# Do the named attacks find a fault?  Plants one at a time in a copy of the kernel, boots the test LibOS with 2 CPUs, and expects
# that the attack that is named with it fails.  Prints TAP.  Takes a quarter of a minute each; not part of the test plan.
# usage: tests/kernel/enemies/faults.sh [BUILD [PATTERN]]
set -u
cd "$(dirname "$(readlink -f "$0")")/../../.." || exit 2
build=${1:-build} pattern=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0 number=0
mkdir "$work/tree"
tar -c --exclude=./.git --exclude=./"$build"/host --exclude=./"$build"/guest --exclude=./"$build"/bench . | tar -x -C "$work/tree"

fault() { # name of the attack, what is planted, file, sed expression
    case $1$2 in *"$pattern"*) ;; *) return ;; esac
    number=$((number + 1))
    cp "$3" "$work/good"
    sed -i "$4" "$work/tree/$3"
    if cmp -s "$3" "$work/tree/$3"; then
        echo "not ok $number - $2: the place where the fault was to be planted has changed ($3)"
        failed=1
        return
    fi
    if ! make -s -C "$work/tree" "$build/feuerbird" >"$work/log" 2>&1; then
        echo "not ok $number - $2: does not build"
        tail -n 5 "$work/log" | sed 's/^/# /'
        failed=1
    else
        tests/kernel/with-manifest "$work/tree/$build/feuerbird" tests/manifests/ktest.manifest "$work/kernel"
        timeout 100 qemu-system-x86_64 -kernel "$work/kernel" -display none -serial stdio -serial null -no-reboot -m 80 -cpu max -smp 2 \
            -append "console=ttyS0 panic=-1 ktest.attacks" </dev/null 2>&1 | tr -d '\r\0' >"$work/log"
        found=$(grep -aE '^not ok|PANIC|panic|Bail' "$work/log" | head -n 1)
        [ -n "$found" ] || grep -aq '^1\.\.' "$work/log" || found="no end"
        if grep -aqE "^not ok [0-9]+ - $1" "$work/log" || { [ -n "$found" ] && [ "$1" = any ]; }; then
            echo "ok $number - found: $2 ($1)"
        else
            echo "not ok $number - $2: not found by \"$1\"${found:+, but: $found}"
            failed=1
        fi
    fi
    cp "$work/good" "$work/tree/$3"
}

fault any "what is linked can be given once more" kernel/frame/frame.c 's/if (FB_FRAME_PINS(word) || FB_FRAME_WMAPS(word) ||/if (FB_FRAME_WMAPS(word) ||/'
fault "memory of a device" "a revocation frees what a device still writes" kernel/call/undo.c 's/case FB_FRAME_DATA: return FB_FRAME_PINS(word) != 0;/case FB_FRAME_DATA: return false;/'
fault any "a type changes before all CPUs have flushed" kernel/frame/frame.c 's/^    return frame_stamp_passed(&frame_record(f)->stamp, false) &&/    if (f != 0)\n        return true;\n&/'
fault "the top of" "the flags of a return are not clamped" kernel/hal/x86_64/entry.S 's/and \$RFLAGS_USER, %r11d/nop/'
fault "state left" "segment selectors stay" kernel/hal/hal.h 's/^    "mov " zero ", %%ds.*/    "" \\/; s/^    ", %%gs.n.t"$/    ""/'
fault "state left" "vector state stays" kernel/hal/hal.h 's/xsave64 64(%0)\\n\\txrstor64 64(%1)/xsave64 64(%0)/'
fault any "nobody is preempted by force" kernel/slice/table.c 's/if (c->force \&\& now < until) {/if (c->force) {/'
fault "revocations and deletions" "nobody helps who left a sweep" kernel/call/undo.c 's/(void)sweep_on(d);/(void)d;/'
fault "revocations and deletions" "what is taken together is not swept for" kernel/call/undo.c '/c->may.lo = m->may.lo < c->may.lo/d; /c->may.hi = m->may.hi > c->may.hi/d'
fault "an ended domain behind many" "only the first is looked at" kernel/domain/life.c 's/^        r->made = m->next;/        break;/'
fault "use while" "slices stay bound" kernel/call/undo.c 's/case FB_TYPE_SLICE: undo_slices(lo, hi, NULL, by); return 0;/case FB_TYPE_SLICE: return 0;/'
fault "use while" "lines stay bound" kernel/call/undo.c 's/case FB_TYPE_IRQ: irq_unbind_range(lo, hi, NULL, by); return 0;/case FB_TYPE_IRQ: return 0;/'
fault "use while" "watchers stay" kernel/call/undo.c 's/case FB_TYPE_DOMAIN: undo_watch(dying->object, by); return 0;/case FB_TYPE_DOMAIN: (void)undo_watch; return 0;/'
fault "use while" "what a vCPU was bound to stays" kernel/call/undo.c 's/case FB_TYPE_VCPU: return undo_vcpu(dying);/case FB_TYPE_VCPU: (void)undo_vcpu; return 0;/'
fault "a destruction" "an ended domain is left to its maker" kernel/call/call_cap.c 's/error = domain_resume_below(&caller()->table, source);/error = -FB_E_INUSE;/'
fault any "places for vCPUs are not given back" kernel/domain/life.c 's/atomic_store(&c->vcpus\[v->slot\], NULL);/(void)0;/'
fault "names used" "a generation is not counted" kernel/cap/table.c 's/^    c->generation++;/    c->generation += 0;/'
echo "1..$number"
exit $failed
