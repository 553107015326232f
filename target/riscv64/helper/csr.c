/* SPDX-License-Identifier: MIT */
/* CSR instructions: arguments (csr, insn) or (csr, operand, insn). */
#include "rhea/osdep.h"

#include "helper.h"

static uint64_t csr_access(RvEnv *env, unsigned csr, RvCsrOp op, uint64_t operand, uint64_t insn)
{
    CpuState *cpu = env->tcg.cpu;
    uint64_t old;

    if (!rv_csr_access(cpu, csr, op, operand, &old)) {
        rv_raise_illegal(env, insn);
    }
    if (op != RV_CSR_READ && rv_interrupt_ready(cpu)) {
        cpu_kick(cpu);
    }
    return old;
}

uint64_t rv_helper_csrr(void *env, uint64_t csr, uint64_t insn, uint64_t c, uint64_t d)
{
    return csr_access(env, csr, RV_CSR_READ, 0, insn);
}

uint64_t rv_helper_csrw(void *env, uint64_t csr, uint64_t value, uint64_t insn, uint64_t d)
{
    return csr_access(env, csr, RV_CSR_WRITE, value, insn);
}

uint64_t rv_helper_csrrw(void *env, uint64_t csr, uint64_t value, uint64_t insn, uint64_t d)
{
    return csr_access(env, csr, RV_CSR_WRITE, value, insn);
}

uint64_t rv_helper_csrrs(void *env, uint64_t csr, uint64_t bits, uint64_t insn, uint64_t d)
{
    return csr_access(env, csr, RV_CSR_SET, bits, insn);
}

uint64_t rv_helper_csrrc(void *env, uint64_t csr, uint64_t bits, uint64_t insn, uint64_t d)
{
    return csr_access(env, csr, RV_CSR_CLEAR, bits, insn);
}
