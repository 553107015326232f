/* SPDX-License-Identifier: MIT */
/* What is said of NBD servers in builds without libnbd. */
#include "rhea/osdep.h"

#include "block/nbd-client.h"

bool nbd_list_exports(const NbdServerPlace *server, Error **errp)
{
    return error_fail(errp, "this build has no NBD client (libnbd)");
}
