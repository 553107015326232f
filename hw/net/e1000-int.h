/* SPDX-License-Identifier: MIT */
/*
 * Registers and state of the 82540EM: shared by e1000*.c.  Spec: Intel PCI/PCI-X Family of Gigabit
 * Ethernet Controllers Software Developer's Manual (317453), chapters 3, 5 and 13.
 */
#ifndef HW_NET_E1000_INT_H
#define HW_NET_E1000_INT_H

#include "hw/pci/pci.h"
#include "memory/clock.h"
#include "net/net.h"

enum {
    R_CTRL = 0x0000,
    R_STATUS = 0x0008,
    R_EECD = 0x0010,
    R_EERD = 0x0014,
    R_MDIC = 0x0020,
    R_ICR = 0x00c0,
    R_ITR = 0x00c4,
    R_ICS = 0x00c8,
    R_IMS = 0x00d0,
    R_IMC = 0x00d8,
    R_RCTL = 0x0100,
    R_TCTL = 0x0400,
    R_PBA = 0x1000,
    R_RDBAL = 0x2800,
    R_RDBAH = 0x2804,
    R_RDLEN = 0x2808,
    R_RDH = 0x2810,
    R_RDT = 0x2818,
    R_TDBAL = 0x3800,
    R_TDBAH = 0x3804,
    R_TDLEN = 0x3808,
    R_TDH = 0x3810,
    R_TDT = 0x3818,
    R_STATS = 0x4000,
    R_STATS_END = 0x4128,
    R_RXCSUM = 0x5000,
    R_MTA = 0x5200,
    R_MTA_END = 0x5400,
    R_RAL = 0x5400,
    R_RAH = 0x5404,
    R_RA_END = 0x5480,
    R_VFTA = 0x5600,
    R_VFTA_END = 0x5800,
    E1000_REGS = 0x6000, /* modelled; the rest of the window reads 0 */
    E1000_WINDOW = 0x20000,
};

/* Statistics (13.7): those that are counted. */
enum {
    S_MPC = 0x4010,  /* missed: no descriptor */
    S_GPRC = 0x4074, /* good packets received */
    S_BPRC = 0x4078,
    S_MPRC = 0x407c,
    S_GPTC = 0x4080,  /* ... and sent */
    S_GORCL = 0x4088, /* octets, 64 bits */
    S_GOTCL = 0x4090,
    S_TORL = 0x40c0,
    S_TOTL = 0x40c8,
    S_TPR = 0x40d0,
    S_TPT = 0x40d4,
    S_TSCTC = 0x40f8,
};

#define CTRL_SLU     (1u << 6)
#define CTRL_RST     (1u << 26)
#define CTRL_VME     (1u << 30)
#define CTRL_PHY_RST (1u << 31)
#define STATUS_FD    (1u << 0)
#define STATUS_LU    (1u << 1)
#define STATUS_1000  (1u << 7)

/* Interrupt causes */
enum {
    I_TXDW = 1 << 0,
    I_TXQE = 1 << 1,
    I_LSC = 1 << 2,
    I_RXDMT0 = 1 << 4,
    I_RXO = 1 << 6,
    I_RXT0 = 1 << 7,
    I_MDAC = 1 << 9,
};

#define RCTL_EN    (1u << 1)
#define RCTL_UPE   (1u << 3)
#define RCTL_MPE   (1u << 4)
#define RCTL_LPE   (1u << 5)
#define RCTL_BAM   (1u << 15)
#define RCTL_VFE   (1u << 18)
#define RCTL_BSEX  (1u << 25)
#define RCTL_SECRC (1u << 26)
#define TCTL_EN    (1u << 1)
#define TCTL_PSP   (1u << 3)

enum { DESC_SIZE = 16, FRAME_MIN = 60, FRAME_MAX = 16384, TX_MAX = 65536, EEPROM_WORDS = 64 };

/* What a context descriptor says about the packets behind it (3.3.6). */
typedef struct E1000Offload {
    uint8_t ip_start, ip_at, tcp_start, tcp_at;
    uint16_t ip_end, tcp_end; /* last byte summed; 0: the end */
    uint16_t mss;
    uint8_t header_len;
    bool tcp, ipv4;
} E1000Offload;

typedef struct E1000 {
    PciDevice pci;
    MemRegion mmio, io;
    NetCard card;
    /* properties */
    char *netdev, *mac;
    int32_t bootindex;
    /* guest-visible */
    uint32_t regs[E1000_REGS / 4];
    uint32_t io_addr;
    uint16_t eeprom[EEPROM_WORDS];
    uint16_t phy[32];
    /* EEPROM's serial line: bits shifted in so far, the word that is shifted out */
    uint32_t eecd_in;
    uint8_t eecd_count;
    uint16_t eecd_out;
    /* the packet that is being put together, and what its first data descriptor asked for */
    E1000Offload offload;
    bool tx_tse, tx_vlan;
    uint8_t tx_options;
    uint16_t tx_tag;
    uint32_t tx_len;
    uint8_t tx[TX_MAX];
} E1000;

static inline uint32_t *e1000_reg(E1000 *s, unsigned offset)
{
    return &s->regs[offset / 4];
}

AddressSpace *e1000_memory(E1000 *s);
void e1000_interrupt(E1000 *s, uint32_t causes);
/* Adds to a statistics register, which sticks at its top; 64-bit ones take @reg and the next. */
void e1000_count(E1000 *s, unsigned reg, uint32_t n);
void e1000_count64(E1000 *s, unsigned reg, uint64_t n);
/* Where descriptor @n of the ring at @base_reg is. */
GuestPA e1000_descriptor(E1000 *s, unsigned base_reg, uint32_t n);

/* e1000-tx.c: sends what lies between head and tail. */
void e1000_transmit(E1000 *s);

/* e1000-eeprom.c: EEPROM and PHY. */
void e1000_eeprom_init(E1000 *s, const uint8_t mac[6]);
void e1000_phy_reset(E1000 *s);
void e1000_write_eecd(E1000 *s, uint32_t value);
void e1000_write_eerd(E1000 *s, uint32_t value);
void e1000_write_mdic(E1000 *s, uint32_t value);

#endif
