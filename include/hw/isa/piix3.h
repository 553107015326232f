/* SPDX-License-Identifier: MIT */
/* PIIX3 ISA bridge, function 01.0 of a 440FX: owns the bus "isa.0". */
#ifndef HW_ISA_PIIX3_H
#define HW_ISA_PIIX3_H

#include "hw/isa/isa.h"

#define TYPE_PIIX3 "PIIX3"

IsaBus *piix3_isa_bus(Device *piix3);

#endif
