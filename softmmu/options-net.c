/* SPDX-License-Identifier: MIT */
/* Options about the network. */
#include "rhea/osdep.h"

#include "net/net.h"
#include "cmdline.h"

static bool run_netdev(Setup *s, const char *arg, Error **errp)
{
    if (!strcmp(arg, "help") || !strcmp(arg, "?")) {
        net_print_help(stdout);
        cmdline_exit_ok();
    }
    return net_new_netdev(arg, errp);
}

static bool run_nic(Setup *s, const char *arg, Error **errp)
{
    return net_add_nic_option(arg, false, errp);
}

static bool run_net(Setup *s, const char *arg, Error **errp)
{
    return net_add_nic_option(arg, true, errp);
}

static const Option net_options[] = {
    {"netdev", "user,id=ID[,hostfwd=RULE][,restrict=on|off][,net=ADDR/MASK][,queues=N][,...]",
     PHASE_BACKEND, "a network for a -device with netdev=ID; 'help' lists the kinds", run_netdev},
    {"nic", "user|none[,model=MODEL][,mac=ADDR][,...]", PHASE_BACKEND,
     "a network card of the board and its network in one", run_nic},
    {"net", "nic|user|none[,...]", PHASE_BACKEND, "the old spelling of the same", run_net},
    {.names = NULL},
};

OPTION_GROUP(net_group, .title = "Network", .order = 35, .options = net_options);
