/* SPDX-License-Identifier: MIT */
/* Registers and memory structures of AHCI 1.3.1 (chapters 3 and 4), FIS types of Serial ATA 3.0. */
#ifndef HW_STORAGE_AHCI_REGS_H
#define HW_STORAGE_AHCI_REGS_H

enum { AHCI_SPAN = 4096, PORT_BASE = 0x100, PORT_SPAN = 0x80 };
enum { HBA_CAP = 0x00, HBA_GHC = 0x04, HBA_IS = 0x08, HBA_PI = 0x0c, HBA_VS = 0x10 };
#define CAP_S64A     (1u << 31)
#define CAP_SNCQ     (1u << 30)
#define CAP_SCLO     (1u << 24)
#define CAP_ISS_GEN1 (1u << 20)
#define CAP_SAM      (1u << 18)
#define GHC_AE       (1u << 31)
#define GHC_IE       (1u << 1)
#define GHC_HR       (1u << 0)

enum {
    PORT_CLB = 0x00,
    PORT_CLBU = 0x04,
    PORT_FB = 0x08,
    PORT_FBU = 0x0c,
    PORT_IS = 0x10,
    PORT_IE = 0x14,
    PORT_CMD = 0x18,
    PORT_TFD = 0x20,
    PORT_SIG = 0x24,
    PORT_SSTS = 0x28,
    PORT_SCTL = 0x2c,
    PORT_SERR = 0x30,
    PORT_SACT = 0x34,
    PORT_CI = 0x38,
};
/* PxIS, PxIE */
#define IS_DHRS (1u << 0)  /* register FIS, device to host */
#define IS_PSS  (1u << 1)  /* PIO setup */
#define IS_SDBS (1u << 3)  /* set device bits */
#define IS_PCS  (1u << 6)  /* connection changed */
#define IS_HBFS (1u << 29) /* memory that is not there */
#define IS_TFES (1u << 30) /* the task file shows an error */
#define IS_ALL  0xfdc000ffu
/* PxCMD */
#define CMD_ST       (1u << 0)
#define CMD_SUD      (1u << 1)
#define CMD_POD      (1u << 2)
#define CMD_CLO      (1u << 3)
#define CMD_FRE      (1u << 4)
#define CMD_FR       (1u << 14)
#define CMD_CR       (1u << 15)
#define CMD_ATAPI    (1u << 24)
#define CMD_WRITABLE (CMD_ST | CMD_SUD | CMD_POD | CMD_FRE | 0x0e000000u)

/* Received FIS area */
enum { RX_PIO_SETUP = 0x20, RX_REGISTER = 0x40, RX_DEVICE_BITS = 0x58 };
/* Command list and table */
enum { HEADER_SIZE = 32, TABLE_PACKET = 0x40, TABLE_PRDT = 0x80, PRD_SIZE = 16, FIS_H2D_SIZE = 20 };

enum { FIS_REG_H2D = 0x27, FIS_REG_D2H = 0x34, FIS_DEVICE_BITS = 0xa1, FIS_PIO_SETUP = 0x5f };
enum { FIS_COMMAND = 0x80, FIS_INTERRUPT = 0x40, FIS_TO_HOST = 0x20 };
enum { CMD_READ_QUEUED = 0x60, CMD_WRITE_QUEUED = 0x61 };

#endif
