/* SPDX-License-Identifier: MIT */
/*
 * The first include of every .c file and of no header: libc, GLib and the handful of macros
 * that every module uses.
 */
#ifndef RHEA_OSDEP_H
#define RHEA_OSDEP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <glib.h>

#include "config.h"
#include "rhea/base.h"
#include "rhea/tsan.h"

#endif
