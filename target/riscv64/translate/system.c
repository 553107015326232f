/* SPDX-License-Identifier: MIT */
/*
 * CSR access, traps and returns, waiting, address-translation fences.  Unprivileged ISA 20240411,
 * chapters 7 and 15; Privileged Architecture 1.13, 3.3 and 10.2; Svinval.
 *
 * The helpers check privilege and raise; a block ends where the translation key, the mappings or the
 * set of enabled interrupts may have changed.
 */
#include "rhea/osdep.h"

#include "trans.h"

enum {
    CSR_FFLAGS = 0x001,
    CSR_FRM = 0x002,
    CSR_FCSR = 0x003,
    CSR_SSTATUS = 0x100,
    CSR_SSCRATCH = 0x140,
    CSR_STVAL = 0x143,
    CSR_MSTATUS = 0x300,
    CSR_MSCRATCH = 0x340,
    CSR_MTVAL = 0x343,
};

enum { STATUS_SIE = 1 << 1, STATUS_MIE = 1 << 3 };

typedef enum CsrEnd {
    CSR_GOES_ON,     /* nothing that translated code depends on has changed */
    CSR_NEW_CONTEXT, /* the key may have */
    CSR_LEAVES,      /* interrupts may be pending now */
} CsrEnd;

/* The effect of writing @csr. */
static CsrEnd csr_end(int csr)
{
    if (csr == CSR_FFLAGS || (csr >= CSR_SSCRATCH && csr <= CSR_STVAL) ||
        (csr >= CSR_MSCRATCH && csr <= CSR_MTVAL)) {
        return CSR_GOES_ON;
    }
    return csr == CSR_FRM || csr == CSR_FCSR ? CSR_NEW_CONTEXT : CSR_LEAVES;
}

static void csr_finish(RvTrans *t, CsrEnd end)
{
    if (end == CSR_NEW_CONTEXT) {
        rv_end_context(t);
    } else if (end == CSR_LEAVES) {
        rv_end_exit(t);
    }
}

static bool is_fcsr(int csr)
{
    return csr >= CSR_FFLAGS && csr <= CSR_FCSR;
}

static bool csr_read(RvTrans *t, int rd, int csr)
{
    RvHelper h = is_fcsr(csr) ? RV_H_FCSRR : RV_H_CSRR;

    rv_put(t, rd, rv_call2(t, h, ir_imm(t->ir, csr), rv_insn_imm(t)));
    return true;
}

/* csrrw: without a destination the CSR is not read. */
static bool csr_write(RvTrans *t, int rd, int csr, IrVal v)
{
    bool fp = is_fcsr(csr);

    if (rd) {
        rv_put(t, rd,
               rv_call3(t, fp ? RV_H_FCSRRW : RV_H_CSRRW, ir_imm(t->ir, csr), v, rv_insn_imm(t)));
    } else {
        rv_call3(t, fp ? RV_H_FCSRW : RV_H_CSRW, ir_imm(t->ir, csr), v, rv_insn_imm(t));
    }
    csr_finish(t, csr_end(csr));
    return true;
}

/* csrrs, csrrc. */
static bool csr_bits(RvTrans *t, int rd, int csr, IrVal bits, bool set, CsrEnd end)
{
    RvHelper h = set ? RV_H_CSRRS : RV_H_CSRRC;

    if (is_fcsr(csr)) {
        h = set ? RV_H_FCSRRS : RV_H_FCSRRC;
    }
    rv_put(t, rd, rv_call3(t, h, ir_imm(t->ir, csr), bits, rv_insn_imm(t)));
    csr_finish(t, end);
    return true;
}

bool rv_csrrw(RvTrans *t, const RvArgsCSR *a)
{
    return csr_write(t, a->rd, a->csr, rv_get(t, a->rs1));
}

bool rv_csrrwi(RvTrans *t, const RvArgsCSRI *a)
{
    return csr_write(t, a->rd, a->csr, ir_imm(t->ir, a->uimm));
}

bool rv_csrrs(RvTrans *t, const RvArgsCSR *a)
{
    if (a->rs1 == 0) {
        return csr_read(t, a->rd, a->csr);
    }
    return csr_bits(t, a->rd, a->csr, rv_get(t, a->rs1), true, csr_end(a->csr));
}

bool rv_csrrc(RvTrans *t, const RvArgsCSR *a)
{
    if (a->rs1 == 0) {
        return csr_read(t, a->rd, a->csr);
    }
    return csr_bits(t, a->rd, a->csr, rv_get(t, a->rs1), false, csr_end(a->csr));
}

bool rv_csrrsi(RvTrans *t, const RvArgsCSRI *a)
{
    if (a->uimm == 0) {
        return csr_read(t, a->rd, a->csr);
    }
    return csr_bits(t, a->rd, a->csr, ir_imm(t->ir, a->uimm), true, csr_end(a->csr));
}

/* Clearing nothing but the interrupt enables of xstatus, as kernels often do, lets the block go on. */
bool rv_csrrci(RvTrans *t, const RvArgsCSRI *a)
{
    bool status = a->csr == CSR_SSTATUS || a->csr == CSR_MSTATUS;
    CsrEnd end = csr_end(a->csr);

    if (a->uimm == 0) {
        return csr_read(t, a->rd, a->csr);
    }
    if (status && !(a->uimm & ~(STATUS_SIE | STATUS_MIE))) {
        end = CSR_GOES_ON;
    }
    return csr_bits(t, a->rd, a->csr, ir_imm(t->ir, a->uimm), false, end);
}

/* --- Traps --- */

bool rv_ecall(RvTrans *t, const RvArgsNONE *a)
{
    (void)a;
    rv_call0(t, RV_H_ECALL);
    rv_end_dead(t);
    return true;
}

bool rv_ebreak(RvTrans *t, const RvArgsNONE *a)
{
    (void)a;
    rv_call0(t, RV_H_EBREAK);
    rv_end_dead(t);
    return true;
}

static bool trap_return(RvTrans *t, RvHelper h)
{
    ir_goto_ind(t->ir, IR_CONTEXT_JUMP, rv_call1(t, h, rv_insn_imm(t)));
    t->ended = true;
    return true;
}

bool rv_mret(RvTrans *t, const RvArgsNONE *a)
{
    (void)a;
    return trap_return(t, RV_H_MRET);
}

bool rv_sret(RvTrans *t, const RvArgsNONE *a)
{
    (void)a;
    return trap_return(t, RV_H_SRET);
}

/* --- Waiting --- */

bool rv_wfi(RvTrans *t, const RvArgsNONE *a)
{
    (void)a;
    rv_call1(t, RV_H_WFI, rv_insn_imm(t));
    rv_end_exit(t);
    return true;
}

bool rv_wrs_nto(RvTrans *t, const RvArgsNONE *a)
{
    (void)a;
    rv_call0(t, RV_H_WRS);
    rv_end_exit(t);
    return true;
}

bool rv_wrs_sto(RvTrans *t, const RvArgsNONE *a)
{
    return rv_wrs_nto(t, a);
}

/* --- Address-translation fences --- */

bool rv_sfence_vma(RvTrans *t, const RvArgsRS12 *a)
{
    int given = (a->rs1 ? RV_SFENCE_VA : 0) | (a->rs2 ? RV_SFENCE_ASID : 0);

    ir_call(t->ir, RV_H_SFENCE_VMA, rv_get(t, a->rs1), rv_get(t, a->rs2), ir_imm(t->ir, given),
            rv_insn_imm(t));
    rv_end_exit(t);
    return true;
}

bool rv_sinval_vma(RvTrans *t, const RvArgsRS12 *a)
{
    return rv_sfence_vma(t, a);
}

/* Invalidations take effect at once: nothing to order, but the privilege to check. */
bool rv_sfence_w_inval(RvTrans *t, const RvArgsNONE *a)
{
    (void)a;
    rv_call1(t, RV_H_SFENCE_ORDER, rv_insn_imm(t));
    return true;
}

bool rv_sfence_inval_ir(RvTrans *t, const RvArgsNONE *a)
{
    return rv_sfence_w_inval(t, a);
}
