/* SPDX-License-Identifier: MIT */
/*
 * Random IR: what the passes make of a block does the same as the block, and text is read back as
 * it was written.  IR_SEED and IR_COUNT in the environment choose other blocks than the usual ones.
 */
#include "rhea/osdep.h"

#include "ir-text.h"
#include "random-ir.h"

enum { USUAL_SEED = 1, USUAL_COUNT = 1500, STATES_PER_BLOCK = 3 };

typedef void (*Transform)(Ir *ir);

typedef struct Check {
    FxEnv *fx;
    Ir *changed;
    Transform transform;
    const FxState *before;
    FxState want, got;
} Check;

static unsigned setting(const char *name, unsigned usual)
{
    const char *text = g_getenv(name);

    return text ? (unsigned)strtoul(text, NULL, 0) : usual;
}

static void copy_ir(Ir *to, const Ir *from)
{
    memcpy(to->insns, from->insns, from->n * sizeof(IrInsn));
    to->n = from->n;
    to->overflow = false;
}

static void print_ir(const char *title, const Ir *ir)
{
    fprintf(stderr, "# %s\n", title);
    ir_print(ir, stderr);
}

/* Does the transformed block behave otherwise? */
static bool differs(const Ir *ir, void *opaque)
{
    Check *c = opaque;

    copy_ir(c->changed, ir);
    c->transform(c->changed);
    if (ir_verify(c->changed)) {
        return true;
    }
    fx_interpret(c->fx, ir, c->before, &c->want);
    fx_interpret(c->fx, c->changed, c->before, &c->got);
    return fx_difference(&c->want, &c->got) != NULL;
}

static void report(Check *c, Ir *ir, unsigned seed)
{
    const char *why;

    random_minimise(ir, differs, c);
    differs(ir, c);
    print_ir("block", ir);
    print_ir("transformed", c->changed);
    why = ir_verify(c->changed);
    g_error("seed %u: %s", seed, why ? why : fx_difference(&c->want, &c->got));
}

static void check_transform(Transform transform)
{
    unsigned first = setting("IR_SEED", USUAL_SEED), count = setting("IR_COUNT", USUAL_COUNT);
    g_autofree FxState *before = g_new(FxState, 1);
    g_autofree Check *c = g_new0(Check, 1);
    Ir *ir = ir_new(&fx_target);

    c->fx = fx_new();
    c->changed = ir_new(&fx_target);
    c->transform = transform;
    c->before = before;
    for (unsigned seed = first; seed < first + count; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

        ir_clear(ir);
        random_ir(rand, ir);
        g_assert_cmpstr(ir_verify(ir), ==, NULL);
        for (unsigned i = 0; i < STATES_PER_BLOCK; i++) {
            random_state(rand, before);
            if (differs(ir, c)) {
                report(c, ir, seed);
            }
        }
    }
    ir_free(ir);
    ir_free(c->changed);
    fx_free(c->fx);
}

/* For a host that has only what it must have. */
static void transform_expand(Ir *ir)
{
    bool has[IR_NOPS] = {false};

    ir_expand(ir, has);
}

static void transform_all_expand(Ir *ir)
{
    ir_optimise(ir);
    transform_expand(ir);
    ir_optimise(ir);
}

static void test_transform(const void *transform)
{
    check_transform((Transform)(uintptr_t)transform);
}

static void test_text(void)
{
    Ir *ir = ir_new(&fx_target), *again = ir_new(&fx_target);

    for (unsigned seed = 1; seed < 500; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        const char *why;

        ir_clear(ir);
        random_ir(rand, ir);
        {
            char *text = ir_to_text(ir);

            if (!ir_parse(again, text, &why)) {
                g_error("seed %u: %s\n%s", seed, why, text);
            }
            free(text);
        }
        g_assert_cmpuint(ir->n, ==, again->n);
        for (unsigned i = 0; i < ir->n; i++) {
            g_assert_cmpmem(&ir->insns[i], sizeof(IrInsn), &again->insns[i], sizeof(IrInsn));
        }
    }
    ir_free(ir);
    ir_free(again);
}

static void add(const char *path, Transform transform)
{
    g_test_add_data_func(path, (const void *)(uintptr_t)transform, test_transform);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ir/random/text", test_text);
    add("/ir/random/opt-env", ir_opt_env);
    add("/ir/random/opt-fold", ir_opt_fold);
    add("/ir/random/dce", ir_dce);
    add("/ir/random/expand", transform_expand);
    add("/ir/random/optimise", ir_optimise);
    add("/ir/random/optimise-expand", transform_all_expand);
    return g_test_run();
}
