/* SPDX-License-Identifier: MIT */
/* Exceptions in M-mode: the right cause, program counter and value.  Spec: privileged ISA 3.1.15. */
#include "guest.h"

/* No device or memory of this board lives here. */
enum { NOWHERE = 0x50 };

static void test_misaligned(void)
{
    static uint64_t data[2] = {0x8877665544332211, 0xffeeddccbbaa9988};
    uint64_t value;

    trap_expect();
    __asm__ volatile(".option push\n .option norvc\n ld %0, 3(%1)\n .option pop"
                     : "=&r"(value)
                     : "r"(data)
                     : "memory");
    if (trap_was(CAUSE_LOAD_MISALIGNED)) {
        check("trap.misaligned-load", trap_log.tval == (uint64_t)data + 3);
    } else {
        check("trap.misaligned-load", !trap_log.seen && value == 0xaa99888877665544);
    }
}

void test_traps(void)
{
    uint64_t here, value;

    trap_expect();
    __asm__ volatile("la %0, 1f\n 1: .word 0x7b" : "=r"(here)); /* custom-3, which is nobody's */
    check("trap.illegal", trap_was(CAUSE_ILLEGAL) && trap_log.epc == here &&
                              (trap_log.tval == 0 || trap_log.tval == 0x7b));

    trap_expect();
    __asm__ volatile("la %0, 1f\n 1: .half 0" : "=r"(here));
    check("trap.illegal-compressed", trap_was(CAUSE_ILLEGAL) && trap_log.epc == here);

    trap_expect();
    __asm__ volatile("csrr %0, 0x5ff" : "=r"(value)); /* a CSR that does not exist */
    check("trap.unknown-csr", trap_was(CAUSE_ILLEGAL));

    trap_expect();
    __asm__ volatile(".option push\n .option norvc\n la %0, 1f\n 1: ebreak\n .option pop"
                     : "=r"(here));
    check("trap.ebreak", trap_was(CAUSE_BREAK) && trap_log.epc == here);

    trap_expect();
    __asm__ volatile("la %0, 1f\n 1: ecall" : "=r"(here));
    check("trap.ecall", trap_was(CAUSE_ECALL_M) && trap_log.epc == here);

    trap_expect();
    __asm__ volatile("lw %0, (%1)" : "=r"(value) : "r"(NOWHERE) : "memory");
    check("trap.load-access", trap_was(CAUSE_LOAD_ACCESS) && trap_log.tval == NOWHERE);

    trap_expect();
    __asm__ volatile("sw zero, (%0)" ::"r"(NOWHERE) : "memory");
    check("trap.store-access", trap_was(CAUSE_STORE_ACCESS) && trap_log.tval == NOWHERE);

    test_misaligned();
}
