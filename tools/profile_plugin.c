/* SPDX-License-Identifier: MIT */
/*
 * A plugin for QEMU that counts how often each guest instruction is executed, or, with the
 * argument stores=on, how many bytes each instruction of the kernel's half of the addresses
 * stores, for tools/profile and tools/copied.  The counts are in a mapped file, named by the
 * argument out=, so that they are there however QEMU ends: pairs of 64-bit words, address
 * and count, a hash table whose empty places are zeros.
 *
 *  - The same virtual address in two address spaces has one count: the kernel and the
 *    LibOS have addresses of their own, programs share theirs.
 *  - One virtual CPU: counts are added without locks.
 *
 * QEMU's header of the interface is not packaged everywhere; the few functions used here
 * are declared below as version 1 of the interface has them.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT     __attribute__((visibility("default")))
#define INLINE_ADD 0
#define SLOTS      ((size_t)1 << 20)
#define INTERFACE  1
#define NO_REGS    0
#define STORES     2
#define UPPER_HALF ((uint64_t)1 << 63)

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info_t qemu_info_t;

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
                                                 size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
                                                int operation, void *counter,
                                                uint64_t addend);
unsigned qemu_plugin_mem_size_shift(uint32_t access);
_Bool qemu_plugin_mem_is_store(uint32_t access);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
                                      void (*callback)(unsigned, uint32_t, uint64_t,
                                                       void *),
                                      int flags, int accesses, void *argument);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*callback)(uint64_t,
                                                            struct qemu_plugin_tb *));

EXPORT int qemu_plugin_version = INTERFACE;

struct slot {
    uint64_t address;
    uint64_t count;
};
static struct slot *slots;
static int count_stores;

static uint64_t *
counter_of(uint64_t address)
{
    size_t at = (address * 0x9e3779b97f4a7c15u) >> 44;

    while (slots[at].address != 0 && slots[at].address != address)
        at = (at + 1) % SLOTS;
    slots[at].address = address;
    return &slots[at].count;
}

static void
on_store(unsigned cpu, uint32_t access, uint64_t address, void *counter)
{
    (void)cpu;
    (void)address;
    /* QEMU 7.2 calls for loads as well, whatever it was asked for. */
    if (qemu_plugin_mem_is_store(access))
        *(uint64_t *)counter += (uint64_t)1 << qemu_plugin_mem_size_shift(access);
}

static void
on_translation(uint64_t id, struct qemu_plugin_tb *tb)
{
    size_t count = qemu_plugin_tb_n_insns(tb);

    (void)id;
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t address = qemu_plugin_insn_vaddr(insn);

        if (!count_stores)
            qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD,
                                                       counter_of(address), 1);
        else if (address >= UPPER_HALF)
            qemu_plugin_register_vcpu_mem_cb(insn, on_store, NO_REGS, STORES,
                                             counter_of(address));
    }
}

EXPORT int
qemu_plugin_install(uint64_t id, const qemu_info_t *info, int argc, char **argv)
{
    int fd;

    (void)info;
    if (argc < 1 || strncmp(argv[0], "out=", 4) != 0)
        return -1;
    count_stores = argc == 2 && strcmp(argv[1], "stores=on") == 0;
    fd = open(argv[0] + 4, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, SLOTS * sizeof *slots) != 0)
        return -1;
    slots = mmap(NULL, SLOTS * sizeof *slots, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (slots == MAP_FAILED)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}
