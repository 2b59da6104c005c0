/* SPDX-License-Identifier: MIT */
/*
 * The list of named attacks.  After each the victim goes on, no frame is missing (run) and
 * no slot of the capability table.
 */
#include "tests/kernel/enemies/enemies.h"

static const struct attack {
    const char *name;
    void (*run)(void);
} attacks[] = {
    { "tables mapped, linked and given twice", attack_tables },
    { "memory of a device that still writes", attack_pins },
    { "types changed while another CPU has it mapped", attack_types },
    { "the top of the lower half", attack_top },
    { "control blocks corrupted in each field", attack_blocks },
    { "hostile entry points and stacks", attack_entries },
    { "state left behind, and state found", attack_state },
    { "time hogged", attack_slices },
    { "events without end", attack_events },
    { "interrupts without end", attack_lines },
    { "slice vector, lines and watchers filled", attack_full },
    { "a CPU's vCPUs filled", attack_vcpus },
    { "calls to an endpoint without end", attack_endpoint },
    { "names used again", attack_names },
    { "trees of capabilities deep, wide and growing", attack_trees },
    { "revocations and deletions begun and left", attack_halves },
    { "a destruction begun and left", attack_destroyed },
    { "an ended domain behind many", attack_many_made },
    { "use while it is being revoked on another CPU", attack_races },
};
static const struct attack *current;

static void
beside_victim(void)
{
    u64 slots = slots_used();

    current->run();
    look_end();
    fb_wait(0, NULL);
    CHECK(slots_used() == slots);
    victim_check(current->name);
}

void
test_attacks(void)
{
    victim_begin();
    for (u32 i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        current = &attacks[i];
        run(current->name, beside_victim);
    }
    run("the victim's own check", victim_can_fail);
    victim_end();
}
