/* SPDX-License-Identifier: MIT */
/*
 * What firmware asks of the SMIs of a Q35, in three fw_cfg files: it reads what is supported, writes what it
 * wants, and reads whether that is agreed to, after which it stays so until the next reset.  OVMF wants
 * SMIs to go to all CPUs, as on a real chipset; others expect them on the CPU that wrote the port.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/firmware/fw-cfg.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

#include "ich9-int.h"

/* Bits of the files. */
enum { SMI_BROADCAST = 1 << 0, SMI_SUPPORTED = SMI_BROADCAST };

static GBytes *number(uint64_t v, size_t size)
{
    uint8_t raw[8];

    st64_le(raw, v);
    return g_bytes_new(raw, size);
}

static GBytes *supported(void *opaque)
{
    return number(SMI_SUPPORTED, 8);
}

static GBytes *wanted(void *opaque)
{
    return number(((Ich9 *)opaque)->features.wanted, 8);
}

static void set_wanted(void *opaque, const uint8_t *data)
{
    Ich9Smi *f = &((Ich9 *)opaque)->features;

    if (!f->settled) {
        f->wanted = ld64_le(data);
    }
}

/* Selecting the file is the question. */
static GBytes *settled(void *opaque)
{
    Ich9Smi *f = &((Ich9 *)opaque)->features;

    if (!f->settled && !(f->wanted & ~(uint64_t)SMI_SUPPORTED)) {
        f->agreed = f->wanted;
        f->settled = true;
    }
    return number(f->settled, 1);
}

bool ich9_add_smi_files(Device *lpc, Device *fw_cfg, Error **errp)
{
    Ich9 *s = dev_state(lpc, Ich9);

    return fw_cfg_add_built_file(fw_cfg, "etc/smi/supported-features", supported, s, errp) &&
           fw_cfg_add_writable_file(fw_cfg, "etc/smi/requested-features", wanted, set_wanted, s,
                                    errp) &&
           fw_cfg_add_built_file(fw_cfg, "etc/smi/features-ok", settled, s, errp);
}

IrqLine *ich9_smi_line(Ich9 *s)
{
    return &s->smi[s->features.agreed & SMI_BROADCAST ? ICH9_SMI_TO_ALL : ICH9_SMI_TO_WRITER];
}

void ich9_smi_reset(Ich9 *s)
{
    s->features = (Ich9Smi){0};
}

void ich9_smi_snapshot(Ich9 *s, Snapshot *sn)
{
    snap_fields(sn, &s->features.wanted, &s->features.agreed);
    snap_bool(sn, &s->features.settled);
    if (snap_loading(sn)) {
        s->features.agreed &= SMI_SUPPORTED;
    }
}
