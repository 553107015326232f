/* SPDX-License-Identifier: MIT */
/* Devices and objects that users add: -device, -object, device_add, object-add. Machine lock. */
#ifndef SOFTMMU_DEVICE_ADD_H
#define SOFTMMU_DEVICE_ADD_H

#include "hw/machine.h"
#include "rhea/opts.h"

/*
 * "driver=NAME,id=ID,bus=BUS,PROP=VALUE...": made, put under /machine/peripheral, realized.  @hotplug:
 * the machine runs, and the device must allow it.  On failure nothing is left behind.
 */
bool device_add_opts(Machine *m, Opts *o, bool hotplug, Error **errp) MUST_CHECK;
/* The USB controller of -machine usb=on, in a PCI slot that is seldom asked for. */
bool device_add_usb(Machine *m, Error **errp) MUST_CHECK;
/* @id is the id= or a path. */
bool device_del(Machine *m, const char *id, Error **errp) MUST_CHECK;

/* "qom-type=NAME,id=ID,PROP=VALUE...": made and completed at /objects/ID. */
bool object_add_opts(Opts *o, Error **errp) MUST_CHECK;
bool object_del(const char *id, Error **errp) MUST_CHECK;

#endif
