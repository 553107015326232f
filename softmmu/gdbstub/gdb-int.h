/* SPDX-License-Identifier: MIT */
/* The gdb stub's connection, shared by its run control and its commands. */
#ifndef SOFTMMU_GDBSTUB_GDB_INT_H
#define SOFTMMU_GDBSTUB_GDB_INT_H

#include "accel/accel.h"
#include "chardev/chardev.h"
#include "target/gdb.h"

enum { GDB_PACKET_MAX = 16384 };

typedef enum GdbRx { GDB_RX_IDLE, GDB_RX_DATA, GDB_RX_ESCAPE, GDB_RX_SUM1, GDB_RX_SUM2 } GdbRx;

typedef struct GdbHit {
    CpuState *cpu;
    CpuWatch watch;
} GdbHit;

typedef struct GdbStub {
    Machine *m;
    CharFront fe;
    bool attached; /* somebody is connected */
    bool no_ack;
    bool waiting; /* gdb let the guest run and waits for a stop reply */
    /* receiver */
    GdbRx rx;
    GString *packet; /* unescaped */
    uint8_t sum, sum_given;
    GString *sent; /* last answer, for '-' */
    /* what commands refer to */
    unsigned g_cpu; /* of g, p, m ...: index */
    unsigned c_cpu; /* of s */
    unsigned list_pos;
    char *xml;
    /* why a CPU stopped, until it is reported */
    CpuState *stopped_cpu;
    CpuStop stop_why;
    bool stop_deferred;
    GArray *hits; /* GdbHit: watchpoints that were hit and are not reported yet */
} GdbStub;

/* --- gdbstub.c --- */
void gdb_reply(GdbStub *s, const char *text);
/* The rest of a 'T' packet for the CPU that is looked at. */
void gdb_reply_stop(GdbStub *s, int signal);
/* Lets the guest run; @step: only one instruction of the chosen CPU is wanted. */
/* Lets the vCPUs go that are not CpuState.held; those with .singlestep do one instruction. */
void gdb_resume(GdbStub *s);

/* --- gdb-cmds.c --- */
void gdb_command(GdbStub *s, const char *packet, size_t len);
void gdb_remove_all_breakpoints(GdbStub *s);
CpuState *gdb_cpu(GdbStub *s, unsigned index); /* NULL: no such CPU */

#endif
