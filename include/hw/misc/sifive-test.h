/* SPDX-License-Identifier: MIT */
/* Power-off and test-result register: one region, no interrupt. */
#ifndef HW_MISC_SIFIVE_TEST_H
#define HW_MISC_SIFIVE_TEST_H

#define TYPE_SIFIVE_TEST "riscv.sifive.test"

#endif
