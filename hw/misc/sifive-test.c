/* SPDX-License-Identifier: MIT */
/*
 * SiFive test finisher: a write ends or resets the machine.  Values as Linux's syscon-poweroff,
 * syscon-reboot and test suites use them: 0x5555 pass, code << 16 | 0x3333 fail, 0x7777 reset.
 * Threading: callbacks run under the machine lock; the request is carried out by the main loop.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/misc/sifive-test.h"
#include "hw/mmio-device.h"
#include "rhea/log.h"

enum {
    FINISHER_FAIL = 0x3333,
    FINISHER_PASS = 0x5555,
    FINISHER_RESET = 0x7777,
    TEST_SPAN = 0x1000
};

typedef struct SifiveTest {
    MmioDevice parent;
    MemRegion regs;
} SifiveTest;

static uint64_t test_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void test_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    SifiveTest *s = opaque;
    Machine *m = s->parent.dev.machine;

    if (offset) {
        log_guest("sifive-test: write of offset 0x%" PRIx64, offset);
        return;
    }
    switch (value & 0xffff) {
    case FINISHER_FAIL:
        machine_request_shutdown(m, SHUTDOWN_GUEST_PANIC, value >> 16 & 0xffff);
        break;
    case FINISHER_PASS: machine_request_shutdown(m, SHUTDOWN_GUEST_SHUTDOWN, 0); break;
    case FINISHER_RESET: machine_request_reset(m, SHUTDOWN_GUEST_RESET); break;
    default: log_guest("sifive-test: unknown command 0x%04x", (unsigned)value & 0xffff);
    }
}

static const MemOps test_mem_ops = {
    .read = test_read,
    .write = test_write,
    .valid_min = 2,
    .valid_max = 4,
    .impl_min = 2,
    .impl_max = 4,
};

static bool test_realize(Device *dev, Error **errp)
{
    SifiveTest *s = dev_state(dev, SifiveTest);

    mem_init_io(&s->regs, &dev->obj, &test_mem_ops, s, "riscv.sifive.test", TEST_SPAN);
    mmio_device_add_region(&s->parent, &s->regs);
    return true;
}

static const DeviceOps test_ops = DEVICE_OPS(device_no_state, .realize = test_realize);
QOM_TYPE(test_type, .name = TYPE_SIFIVE_TEST, .parent = TYPE_MMIO_DEVICE,
         .size = sizeof(SifiveTest), .desc = "SiFive test finisher (power-off)", .dev = &test_ops);
