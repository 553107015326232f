/* SPDX-License-Identifier: MIT */
/* The VNC server: the first console for viewers on the network (RFC 6143).  Machine lock, main loop. */
#ifndef UI_VNC_H
#define UI_VNC_H

#include "rhea/error.h"

/* "[HOST]:DISPLAY[,to=N]" or "unix:PATH", then ",password=on|off", ",share=POLICY" and ",lossy=on|off"; once in a process. */
bool vnc_start(const char *spec, Error **errp) MUST_CHECK;
/* Ends all connections. */
void vnc_stop(void);
/* The keyboard layout that viewers have: "en-us", "de", "fr-ch". */
bool vnc_set_layout(const char *name, Error **errp) MUST_CHECK;
/* For connections from now on; only the first eight bytes count, as the protocol has it. */
bool vnc_set_password(const char *password, Error **errp) MUST_CHECK;

typedef struct VncInfo {
    bool enabled;
    const char *host, *service, *family, *auth; /* "none", "vnc" */
    unsigned clients;                           /* past the handshake */
} VncInfo;

void vnc_info(VncInfo *info);

#endif
