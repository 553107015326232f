/* SPDX-License-Identifier: MIT */
/* See ir-text.h. */
#include "rhea/osdep.h"

#include "ir-text.h"

Ir *ir_from_text(const char *text)
{
    Ir *ir = ir_new(&fx_target);
    const char *why;

    if (!ir_parse(ir, text, &why)) {
        g_error("%s in\n%s", why, text);
    }
    return ir;
}

char *ir_to_text(const Ir *ir)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    ir_print(ir, f);
    fclose(f);
    return text;
}

void check_pass(const char *before, void (*pass)(Ir *ir), const char *after)
{
    Ir *ir = ir_from_text(before), *want = ir_from_text(after);
    char *got_text, *want_text;

    pass(ir);
    ir_dce(ir);
    g_assert_cmpstr(ir_verify(ir), ==, NULL);
    got_text = ir_to_text(ir);
    want_text = ir_to_text(want);
    if (strcmp(got_text, want_text)) {
        g_error("from\n%sgot\n%swanted\n%s", before, got_text, want_text);
    }
    free(got_text);
    free(want_text);
    ir_free(ir);
    ir_free(want);
}
