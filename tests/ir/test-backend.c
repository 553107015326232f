/* SPDX-License-Identifier: MIT */
/*
 * Random IR in lockstep: the host's code generator against the interpreter, on the block as it was
 * emitted and as the optimiser made it.  IR_SEED and IR_COUNT in the environment choose other blocks
 * than the usual ones.
 */
#include "rhea/osdep.h"

#include <sys/mman.h>

#include "ir-text.h"
#include "random-ir.h"
#include "tcg/ir-private.h"

enum { USUAL_SEED = 1, USUAL_COUNT = 1500, STATES_PER_BLOCK = 3, CODE_BYTES = 1 << 20 };

typedef struct Lockstep {
    FxEnv *fx;
    Backend *be;
    void *const *runtime;
    uint8_t *rw;
    const uint8_t *rx;
    size_t stubs;
    bool optimise;
    Ir *host_ir;
    CodeBlock cb;
    const FxState *before;
    FxState want, got;
} Lockstep;

/* --- Code memory: one memory, writable here and executable there --- */

static void map_code(Lockstep *l)
{
    int fd = memfd_create("ir-test", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, CODE_BYTES), ==, 0);
    l->rw = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    l->rx = mmap(NULL, CODE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    g_assert_true(l->rw != MAP_FAILED && l->rx != MAP_FAILED);
    close(fd);
}

static bool find_pc(FxEnv *fx, int32_t *page_rel)
{
    const Lockstep *l = fx->opaque;
    uint32_t off = fx->env.host_ra - (uintptr_t)l->cb.rx;

    for (unsigned i = 0; i < l->cb.npoints; i++) {
        if (l->cb.points[i].host_off == off) {
            *page_rel = l->cb.points[i].page_rel;
            return true;
        }
    }
    g_error("no guest pc for the call at host offset 0x%x", off);
}

static Lockstep *lockstep_new(bool optimise)
{
    Lockstep *l = g_new0(Lockstep, 1);

    map_code(l);
    l->optimise = optimise;
    l->host_ir = ir_new(&fx_target);
    l->fx = fx_new();
    l->be = backend_new(&fx_target, l->rw, l->rx, &l->stubs);
    if (l->be) {
        l->runtime = backend_runtime(l->be, fx_runtime);
    }
    return l;
}

static void lockstep_free(Lockstep *l)
{
    munmap(l->rw, CODE_BYTES);
    munmap((void *)(uintptr_t)l->rx, CODE_BYTES);
    backend_free(l->be);
    ir_free(l->host_ir);
    fx_free(l->fx);
    g_free(l);
}

/* --- Running --- */

static void run_host(Lockstep *l)
{
    FxEnv *fx = l->fx;

    fx_load(fx, l->before);
    fx->env.runtime = l->runtime;
    fx->env.ctx = 1;
    fx->find_pc = find_pc;
    fx->opaque = l;
    if (setjmp(fx->leave)) {
        fx_save(fx, FX_RAISED, &l->got);
        return;
    }
    backend_run(l->be, &fx->env, l->cb.rx);
    fx_save(fx, FX_GOTO, &l->got);
}

static void compile(Lockstep *l, const Ir *ir)
{
    memcpy(l->host_ir->insns, ir->insns, ir->n * sizeof(IrInsn));
    l->host_ir->n = ir->n;
    l->host_ir->overflow = false;
    if (l->optimise) {
        ir_optimise(l->host_ir);
    }
    ir_expand(l->host_ir, backend_ops(l->be));
    ir_dce(l->host_ir);
    g_assert_false(l->host_ir->overflow);
    l->cb = (CodeBlock){.rw = l->rw + l->stubs, .rx = l->rx + l->stubs};
    if (!backend_compile(l->be, l->host_ir, 0, CODE_BYTES - l->stubs, &l->cb)) {
        g_error("a block of %u insns does not fit", ir->n);
    }
}

static bool differs(const Ir *ir, void *opaque)
{
    Lockstep *l = opaque;

    compile(l, ir);
    fx_interpret(l->fx, ir, l->before, &l->want);
    run_host(l);
    if (random_mixes_fp(ir)) {
        l->want.fp_flags &= ~IR_FP_DENORMAL;
        l->got.fp_flags &= ~IR_FP_DENORMAL;
    }
    /* Host code does not tell an EXIT from an indirect jump to an unknown place. */
    l->want.leave = l->want.leave == FX_EXIT ? FX_GOTO : l->want.leave;
    g_free(l->cb.points);
    g_free(l->cb.exits);
    return fx_difference(&l->want, &l->got) != NULL;
}

static void report(Lockstep *l, Ir *ir, unsigned seed)
{
    random_minimise(ir, differs, l);
    compile(l, ir);
    ir_print(ir, stderr);
    fputs("# compiled\n", stderr);
    ir_print(l->host_ir, stderr);
    backend_print(l->be, &l->cb, stderr);
    differs(ir, l);
    for (unsigned i = 0; i < FX_NX; i++) {
        fprintf(stderr, "x%u=0x%" PRIx64 " ", i, l->before->x[i]);
    }
    g_error("seed %u: interpreter against host: %s", seed, fx_difference(&l->want, &l->got));
}

static unsigned setting(const char *name, unsigned usual)
{
    const char *text = g_getenv(name);

    return text ? (unsigned)strtoul(text, NULL, 0) : usual;
}

static void check_blocks(bool optimise)
{
    unsigned first = setting("IR_SEED", USUAL_SEED), count = setting("IR_COUNT", USUAL_COUNT);
    g_autofree FxState *before = g_new(FxState, 1);
    Ir *ir = ir_new(&fx_target);
    Lockstep *l = lockstep_new(optimise);

    l->before = before;
    if (!l->be) {
        g_test_skip("the back end does not know this host's CPU");
        count = 0;
    }
    for (unsigned seed = first; seed < first + count; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

        ir_clear(ir);
        random_ir(rand, ir);
        for (unsigned i = 0; i < STATES_PER_BLOCK; i++) {
            random_state(rand, before);
            before->fp_round &= random_mixes_fp(ir) ? IR_ROUND_MASK : ~0u;
            if (differs(ir, l)) {
                report(l, ir, seed);
            }
        }
    }
    lockstep_free(l);
    ir_free(ir);
}

static void test_plain(void)
{
    check_blocks(false);
}

static void test_optimised(void)
{
    check_blocks(true);
}

/* Every vector op in every lane on its own, so that each sees many values. */
static void check_vec_op(Lockstep *l, Ir *ir, FxState *before, IrOp op, IrLane lane)
{
    enum { BLOCKS = 8, STATES = 12 };

    for (unsigned i = 0; i < BLOCKS * STATES; i++) {
        unsigned seed = (unsigned)op << 16 | (unsigned)lane << 12 | i;
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

        if (i % STATES == 0) {
            ir_clear(ir);
            random_vec_op(rand, ir, op, lane);
        }
        random_state(rand, before);
        if (differs(ir, l)) {
            report(l, ir, seed);
        }
    }
}

static void test_vec_ops(void)
{
    g_autofree FxState *before = g_new(FxState, 1);
    Ir *ir = ir_new(&fx_target);
    Lockstep *l = lockstep_new(false);

    l->before = before;
    for (IrOp op = IR_VFROM; l->be && op <= IR_VFFROMHALF; op++) {
        unsigned lanes = ir_vec_lanes(op) ? ir_vec_lanes(op) : 1;

        for (unsigned lane = 0; lane < 8; lane++) {
            if (lanes >> lane & 1 && op != IR_VFRCP && op != IR_VFRSQRT) {
                check_vec_op(l, ir, before, op, lane);
            }
        }
    }
    lockstep_free(l);
    ir_free(ir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ir/backend/plain", test_plain);
    g_test_add_func("/ir/backend/optimised", test_optimised);
    g_test_add_func("/ir/backend/vector-ops", test_vec_ops);
    return g_test_run();
}
