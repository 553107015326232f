/* SPDX-License-Identifier: MIT */
/*
 * Which exception a data access at an address that is not canonical raises: #SS when it is one to the
 * stack segment, else #GP (SDM vol. 1, 3.3.7.1).  Accesses do not carry their segment, so the running
 * instruction is decoded once more.
 */
#include "rhea/osdep.h"

#include "decode.h"

/* Instructions that use the stack without naming it, or beside their operand in memory. */
static bool is_stack_opcode(const X86Insn *insn)
{
    unsigned op = insn->opcode;

    if (insn->map == X86_MAP_0F) {
        return op == 0xa0 || op == 0xa1 || op == 0xa8 || op == 0xa9;
    }
    if (insn->map != X86_MAP_ROOT) {
        return false;
    }
    switch (op) {
    case 0x50 ... 0x5f:
    case 0x68:
    case 0x6a:
    case 0x8f:
    case 0x9c:
    case 0x9d:
    case 0xc2:
    case 0xc3:
    case 0xc8:
    case 0xc9:
    case 0xe8: return true;
    case 0xff: return (insn->modrm >> 3 & 7) == 2 || (insn->modrm >> 3 & 7) == 6;
    default: return false;
    }
}

/* The access is to the operand in memory, not to the stack: POP writes it, PUSH and CALL read it. */
static bool is_operand_access(const X86Insn *insn, MemAccess access)
{
    if (!insn->row->has_modrm || !x86_modrm_is_mem(insn)) {
        return false;
    }
    return access == (insn->opcode == 0x8f ? ACCESS_WRITE : ACCESS_READ);
}

unsigned x86_noncanonical_vector(CpuState *cpu, MemAccess access)
{
    X86Insn insn;
    uint8_t code[X86_LONGEST_INSN];
    unsigned n = 0;

    if (access == ACCESS_EXEC) {
        return X86_EXC_GP;
    }
    cpu_sync_pc(cpu);
    while (n < sizeof(code) && cpu_debug_read(cpu, cpu->env->pc + n, code + n, 1)) {
        n++;
    }
    if (x86_decode(&insn, cpu->model, x86_key(cpu), code, n) != X86_DECODED) {
        return X86_EXC_GP;
    }
    if (is_stack_opcode(&insn) && !is_operand_access(&insn, access)) {
        return X86_EXC_SS;
    }
    return insn.row->has_modrm && x86_modrm_is_mem(&insn) && insn.seg == X86_SS ? X86_EXC_SS
                                                                                : X86_EXC_GP;
}
