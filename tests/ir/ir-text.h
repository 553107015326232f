/* SPDX-License-Identifier: MIT */
/* Blocks of fixture.h's target written as text. */
#ifndef TESTS_IR_IR_TEXT_H
#define TESTS_IR_IR_TEXT_H

#include "fixture.h"

/* A new block from @text; the test fails when it is not well formed. */
Ir *ir_from_text(const char *text);
/* What ir_print() writes; free() it. */
char *ir_to_text(const Ir *ir);
/* @pass and then ir_dce() must make @after of @before. */
void check_pass(const char *before, void (*pass)(Ir *ir), const char *after);

#endif
