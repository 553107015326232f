/* SPDX-License-Identifier: MIT */
/* The PC's two DMA controllers. */
#ifndef HW_DMA_I8237_H
#define HW_DMA_I8237_H

#include "qom/device.h"

#define TYPE_I8237 "i8257"

/*
 * A device that requests channel @channel (0..3, 5..7) moves up to @len bytes: out of the guest's memory
 * into @buf, or the other way when the channel is programmed so (@to_memory).  Returns the bytes moved:
 * 0 while the channel is masked or programmed for the other direction; *terminal says that the count
 * has run out.
 */
uint32_t i8237_transfer(Device *dma, unsigned channel, void *buf, uint32_t len, bool to_memory,
                        bool *terminal);

#endif
