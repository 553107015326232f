/* SPDX-License-Identifier: MIT */
/* Counters and the supervisor timer, by CSR number. */
#ifndef TARGET_RISCV64_TIMER_H
#define TARGET_RISCV64_TIMER_H

#include "cpu.h"

void rv_timer_init(RvCpu *cpu);
void rv_timer_fini(RvCpu *cpu);

/* mcycle, cycle, minstret, instret, mhpmcounter<n>, hpmcounter<n>. */
uint64_t rv_counter_read(RvCpu *cpu, unsigned csr);
void rv_counter_write(RvCpu *cpu, unsigned csr, uint64_t value);
uint64_t rv_hpmevent_read(RvCpu *cpu, unsigned csr);
void rv_hpmevent_write(RvCpu *cpu, unsigned csr, uint64_t value);
void rv_countinhibit_write(RvCpu *cpu, unsigned csr, uint64_t value);

uint64_t rv_time_read(RvCpu *cpu, unsigned csr);
void rv_stimecmp_write(RvCpu *cpu, unsigned csr, uint64_t value);

#endif
