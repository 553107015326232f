/* SPDX-License-Identifier: MIT */
/* Port 92h of a PC: output "a20", and the fast reset. */
#ifndef HW_MISC_PORT92_H
#define HW_MISC_PORT92_H

#define TYPE_PORT92 "port92"

#endif
