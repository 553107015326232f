# SPDX-License-Identifier: MIT
# Objects of softmmu/chardev/: where serial ports and monitors talk to.

obj-y += softmmu/chardev/char-fd.o
obj-y += softmmu/chardev/char-fork.o
obj-y += softmmu/chardev/char-file.o
obj-y += softmmu/chardev/char-mux.o
obj-y += softmmu/chardev/char-pty.o
obj-y += softmmu/chardev/char-ringbuf.o
obj-y += softmmu/chardev/char-socket.o
obj-y += softmmu/chardev/char-stdio.o
obj-y += softmmu/chardev/char-web.o
obj-y += softmmu/chardev/chardev.o
obj-y += softmmu/chardev/char-vc.o
