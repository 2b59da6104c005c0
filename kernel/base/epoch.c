/* SPDX-License-Identifier: MIT */
/*
 * Epochs (base/epoch.h).  The global epoch is record->epoch itself, so that domains read
 * it without a call.
 *
 * Steps of the race between who removes (R) and another CPU (C), in one total order:
 *   R1 removes the mapping  R2 increments the epoch to e  R3 reads C's idle and epoch
 *   C1 reads the epoch      C2 flushes                    C3 publishes what C1 read
 * If R3 sees e, C1 came after R2, so the flush C2 came after R1.  If R3 sees idle, then
 * C's later clearing of the flag comes after R1, and so does every translation that C
 * loads from then on.
 */
#include "base/epoch.h"
#include "base/cpu.h"
#include "hal/hal.h"

#define LAG_MAX (1ull << 24)

struct fb_record *record;

/* Stamps of frames are 32 bits wide: no CPU may fall behind by half their range, however
 * long it runs undisturbed. */
static void
kick_laggards(u64 e)
{
    for (u32 id = 0; id < cpu_count; id++)
        if (atomic_load(&cpu_by_id(id)->online) &&
            atomic_load(&cpu_by_id(id)->epoch) + LAG_MAX < e)
            hal_kick(id);
}

u64
epoch_next(void)
{
    u64 e = __atomic_add_fetch(&record->epoch, 1, __ATOMIC_SEQ_CST);
    if (e % LAG_MAX == 0)
        kick_laggards(e);
    return e;
}

u64
epoch_now(void)
{
    return __atomic_load_n(&record->epoch, __ATOMIC_SEQ_CST);
}

static void
publish(struct cpu *cpu, u64 epoch)
{
    atomic_store(&cpu->epoch, epoch);
    __atomic_store_n(&record->cpu[cpu->id].epoch, epoch, __ATOMIC_RELEASE);
}

/* No mapping is global, so writing CR3 empties the TLB. */
static void
flush(struct cpu *cpu)
{
    u64 now = epoch_now();
    hal_cr3_write(hal_cr3_read());
    publish(cpu, now);
}

static bool
cpu_has_seen(struct cpu *cpu, u64 e)
{
    return atomic_load(&cpu->online) == 0 || atomic_load(&cpu->idle) != 0 ||
           atomic_load(&cpu->epoch) >= e;
}

bool
epoch_seen(u64 e)
{
    struct cpu *self = this_cpu();
    if (e > epoch_now())
        return false;
    for (u32 id = 0; id < cpu_count; id++)
        if (id != self->id && !cpu_has_seen(cpu_by_id(id), e))
            return false;
    if (atomic_load(&self->epoch) < e)
        flush(self);
    return true;
}

void
epoch_ask(u64 cpus, u64 e)
{
    struct cpu *self = this_cpu();
    for (u32 id = 0; id < cpu_count; id++) {
        if (!(cpus >> id & 1) || cpu_has_seen(cpu_by_id(id), e))
            continue;
        if (id == self->id)
            flush(self);
        else
            hal_kick(id);
    }
}

/* A stamp is at most one ahead of the present: what looks further ahead is older than
 * half the range, so long seen. */
bool
epoch_stamp_seen(u32 stamp)
{
    u64 now = epoch_now();
    int64_t ahead = (int32_t)(stamp - (u32)now);
    if (ahead > 1 || (int64_t)now + ahead <= 0)
        return true;
    return epoch_seen(now + (u64)ahead);
}

void
epoch_kick(void)
{
    struct cpu *cpu = this_cpu();
    if (atomic_load(&cpu->epoch) < epoch_now())
        flush(cpu);
}

void
epoch_idle_enter(void)
{
    struct cpu *cpu = this_cpu();
    __atomic_store_n(&record->cpu[cpu->id].epoch, ~0ull, __ATOMIC_RELEASE);
    atomic_store(&cpu->idle, 1);
}

void
epoch_idle_leave(void)
{
    struct cpu *cpu = this_cpu();
    atomic_store(&cpu->idle, 0);
    publish(cpu, epoch_now());
}
