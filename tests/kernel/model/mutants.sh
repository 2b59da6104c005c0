#!/bin/bash
# SPDX-License-Identifier: MIT
# Does the model's driver find a fault?  Builds it with one fault at a time planted in a copy of the kernel, and
# expects that the two part.  Prints TAP.
# usage: tests/kernel/model/mutants.sh [BUILD]
set -u
cd "$(dirname "$(readlink -f "$0")")/../../.." || exit 2
build=$(readlink -f "${1:-build}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0 number=0

here=$PWD
sources="$(echo "$here"/tests/kernel/model/{host,host_thread,model,model_space,model_ipc,driver,compare}.c) kernel/base/epoch.c kernel/base/mem.c
    kernel/dev/irq.c kernel/event/event.c kernel/slice/table.c $(echo kernel/ipc/*.c kernel/cap/*.c kernel/frame/*.c kernel/space/*.c kernel/domain/*.c)
    $(echo kernel/call/{call_cap,call_ipc,call_space,call_domain,undo,table,call_control}.c)"

compile() { # directory for the objects, sources...
    local to=$1 source
    shift
    mkdir -p "$work/$to"
    for source; do
        (cd "$work" && gcc -std=gnu17 -O1 -DFB_HOST -w -fno-strict-aliasing -Ikernel -I"$build/gen" -I"$here" -c -o "$to/${source//\//_}.o" \
            "$source") || return 1
    done
}

mutant() { # name, file, sed expression
    number=$((number + 1))
    rm -rf "$work/kernel" "$work/new"
    cp -r kernel "$work/kernel"
    sed -i "$3" "$work/$2"
    if cmp -s "$2" "$work/$2"; then
        echo "not ok $number - $1: the place where the fault was to be planted has changed ($2)"
        failed=1
        return
    fi
    cp -r "$work/good" "$work/new"
    case $2 in # a header is in many sources
    *.c) compile new "$2" ;;
    *) compile new $sources ;;
    esac && gcc -o "$work/mutant" "$work"/new/*.o || { failed=1; echo "not ok $number - $1: does not build"; return; }
    if out=$(timeout 60 "$work/mutant" --cpus 1 --count 20000); then
        echo "not ok $number - $1: not found"
        failed=1
    else
        echo "ok $number - found: $1, in $(grep -ac '^#   cpu' <<<"$out") calls"
    fi
}
cp -r kernel "$work/kernel"
compile good $sources || exit 2
mutant "a derived capability keeps a right" kernel/cap/lattice.h 's/\.auth = a\.auth & b\.auth,/.auth = a.auth \& (b.auth | 1ull << 38),/'
mutant "a derived interval is not clipped" kernel/cap/lattice.h 's/\.hi = a\.hi < b\.hi ? a\.hi : b\.hi,/.hi = a.hi,/'
mutant "a revocation does not look into the trees of others" kernel/call/undo.c 's/(d == c->holder || mapper_has(&d->mappers, c->holder->id))/d == c->holder/'
mutant "a revocation frees what a device still writes" kernel/call/undo.c 's/case FB_FRAME_DATA: return FB_FRAME_PINS(word) != 0;/case FB_FRAME_DATA: return false;/'
mutant "an eviction forgets the last frame" kernel/space/evict.c 's/if (!all \&\& (f >= hi/if (!all \&\& (f >= hi - 1/'
mutant "clearance is not looked at" kernel/cap/table.c 's/if (FB_AUTH_CLASS(may.auth) & ~clearance)/if (0)/'
mutant "protect adds a right that the memory lacks" kernel/space/protect.c 's/(within \&\& (m->rights \& FB_MAP_WRITE))/within/'
mutant "a frame is counted read-only" kernel/space/unmap.c 's/frame_unmap_page(pte_frame(old), write)/frame_unmap_page(pte_frame(old), false)/'
mutant "a call brings the badge of another capability" kernel/ipc/ipc.c 's/u64 badge = cap->may.lo;/u64 badge = e->cap->may.lo;/'
mutant "a reply right outlives its call" kernel/ipc/ipc.h 's/caller->calling == v->serving/caller->calling != 0/'
mutant "a name that was used last is not looked at again" kernel/ipc/message.h 's/atomic_load_explicit(&(\*at)->name, memory_order_acquire) == name \&\&/1 \&\&/'
mutant "the caller of who lost its endpoint is not woken" kernel/ipc/wait.c 's/if (v->received == name)$/if (0)/'
mutant "who was told BUSY hears nothing when somebody waits" kernel/ipc/ipc.c 's/if (SELDOM(e->wanted\[c->id\] != 0))/if (0)/'
mutant "a capability comes to who takes none" kernel/ipc/wait.c 's/if (!__atomic_load_n(&to->cb->ipc.take, __ATOMIC_RELAXED))/if (0)/'
mutant "what is copied may be written, and is not counted so" kernel/space/copy.c 's/frame_map_again(r, value & PTE_W);/frame_map_again(r, 0);/'
mutant "a copy of a page that may be written goes by what the source was" kernel/space/copy.c 's/pte_store(copy, value & ~(PTE_A | PTE_D | weaken));/pte_store(copy, value \& ~(PTE_A | PTE_D));/'
echo "1..$number"
exit $failed
