/* SPDX-License-Identifier: MIT */
/* Physical memory protection: the check and its CSRs. */
#ifndef TARGET_RISCV64_PMP_H
#define TARGET_RISCV64_PMP_H

#include "cpu.h"

/*
 * PROT_* that mode @priv has on all of the @len bytes at @pa.  *uniform: no entry cuts the range, so
 * the answer holds for every access inside it.
 */
uint8_t rv_pmp_prot(const RvEnv *env, unsigned priv, GuestPA pa, uint64_t len, bool *uniform);

/* After a change of pmpcfg by other means than its CSRs. */
void rv_pmp_update(RvEnv *env);

/* CSR accessors, by CSR number. */
uint64_t rv_pmpcfg_read(RvCpu *cpu, unsigned csr);
void rv_pmpcfg_write(RvCpu *cpu, unsigned csr, uint64_t value);
uint64_t rv_pmpaddr_read(RvCpu *cpu, unsigned csr);
void rv_pmpaddr_write(RvCpu *cpu, unsigned csr, uint64_t value);

#endif
