/* SPDX-License-Identifier: MIT */
/* Options about disks. */
#include "rhea/osdep.h"

#include "block/block.h"
#include "cmdline.h"

static bool run_drive(Setup *s, const char *arg, Error **errp)
{
    return blk_new_drive(arg, machine_ops(s->m)->default_drive, errp) != NULL;
}

static bool run_snapshot(Setup *s, const char *arg, Error **errp)
{
    blk_set_snapshot_default();
    return true;
}

static bool run_blockdev(Setup *s, const char *arg, Error **errp)
{
    return blk_new_blockdev(arg, errp);
}

/* The file name becomes an option value: its commas are doubled. */
static bool add_drive(const char *file, const char *media, int index, BlockInterface iface,
                      Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(file, ",", -1);
    g_autofree char *quoted = g_strjoinv(",,", parts);
    g_autofree char *text = g_strdup_printf("file=%s,media=%s,index=%d", quoted, media, index);

    return blk_new_drive(text, iface, errp) != NULL;
}

static bool add_disk(Setup *s, const char *file, const char *media, int index, Error **errp)
{
    return add_drive(file, media, index, machine_ops(s->m)->default_drive, errp);
}

static bool run_fda(Setup *s, const char *arg, Error **errp)
{
    return add_drive(arg, "disk", 0, BLK_IF_FLOPPY, errp);
}

static bool run_fdb(Setup *s, const char *arg, Error **errp)
{
    return add_drive(arg, "disk", 1, BLK_IF_FLOPPY, errp);
}

static bool run_hda(Setup *s, const char *arg, Error **errp)
{
    return add_disk(s, arg, "disk", 0, errp);
}

static bool run_hdb(Setup *s, const char *arg, Error **errp)
{
    return add_disk(s, arg, "disk", 1, errp);
}

static bool run_hdc(Setup *s, const char *arg, Error **errp)
{
    return add_disk(s, arg, "disk", 2, errp);
}

static bool run_hdd(Setup *s, const char *arg, Error **errp)
{
    return add_disk(s, arg, "disk", 3, errp);
}

static bool run_cdrom(Setup *s, const char *arg, Error **errp)
{
    return add_disk(s, arg, "cdrom", 2, errp);
}

static const Option block_options[] = {
    {"drive",
     "file=FILE[,id=ID][,if=none|virtio|pflash][,format=raw|qcow2|vmdk|...]\n"
     "       [,readonly=on][,cache=...][,discard=...][,media=disk|cdrom][,snapshot=on|off]\n"
     "       [,copy-on-read=on|off]\n"
     "       [,throttling.{bps,iops}-{total,read,write}=N[,throttling.group=NAME]]\n"
     "       [,rerror=report|ignore|stop][,werror=enospc|report|ignore|stop]\n"
     "       [,...]",
     PHASE_BACKEND, "a disk image: a file or a URL (nbd, https, ...); if=none leaves it to -device",
     run_drive},
    {"blockdev", "driver=DRIVER,node-name=NAME[,...]", PHASE_BACKEND,
     "a node of the block layer, for a -device with drive=NAME", run_blockdev},
    {"fda", "FILE", PHASE_BACKEND, "the floppy disk in drive A", run_fda},
    {"fdb", "FILE", PHASE_BACKEND, "the floppy disk in drive B", run_fdb},
    {"hda", "FILE", PHASE_BACKEND, "the first hard disk", run_hda},
    {"hdb", "FILE", PHASE_BACKEND, "the second hard disk", run_hdb},
    {"hdc", "FILE", PHASE_BACKEND, "the third hard disk", run_hdc},
    {"hdd", "FILE", PHASE_BACKEND, "the fourth hard disk", run_hdd},
    {"snapshot", NULL, PHASE_EARLY, "what is written to drives is temporary (snapshot=on for each)",
     run_snapshot},
    {"cdrom", "FILE", PHASE_BACKEND, "a read-only image in the place of the third", run_cdrom},
    {.names = NULL},
};

OPTION_GROUP(block_group, .title = "Disks", .order = 30, .options = block_options);
