/* SPDX-License-Identifier: MIT */
/* From a machine that is complete to the end of its process; see process.h. */
#include "rhea/osdep.h"

#include "process.h"

#include "accel/accel.h"
#include "block/block.h"
#include "block/export.h"
#include "block/job.h"
#include "chardev/chardev.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "softmmu/gdbstub.h"
#include "softmmu/runstate.h"
#include "ui/display.h"
#include "ui/vnc.h"
#include "ui/web.h"

bool process_start_monitors(Setup *s, Error **errp)
{
    for (guint i = 0; i < s->monitors->len; i++) {
        MonitorSetup *ms = &g_array_index(s->monitors, MonitorSetup, i);

        if (!monitor_new(s->m, ms->chardev, ms->control, ms->pretty, errp)) {
            return false;
        }
    }
    return true;
}

void process_run(Machine *m)
{
    int status = main_loop_run(m);

    accel_save(machine_accel(m));
    gdbstub_exit(status);
    display_stop();
    vnc_stop();
    web_stop();
    monitor_cleanup_all();
    net_cleanup_all();
    (void)!export_server_stop(NULL);
    job_cancel_all();
    blk_close_all();
    chr_cleanup_all();
    exit(status);
}
