# SPDX-License-Identifier: MIT
# One rules.mk per folder lists its objects; everything compiles once, a target binary is a link.

ifeq ($(wildcard config.mk),)
ifeq ($(filter clean distclean,$(MAKECMDGOALS)),)
$(error run ./configure first)
endif
endif
-include config.mk
SRC ?= .
VPATH := $(SRC)
.SUFFIXES:
.SECONDEXPANSION:
.DELETE_ON_ERROR:

CPPFLAGS := -I. -I$(SRC) -I$(SRC)/include -MMD -MP
obj-y :=
unit-tests :=
generated :=

all:

include $(SRC)/softmmu/rules.mk
include $(SRC)/tcg/rules.mk
include $(SRC)/accel/rules.mk
include $(SRC)/hw/rules.mk
include $(SRC)/block/rules.mk
include $(SRC)/ui/rules.mk
include $(SRC)/tools/rules.mk
include $(foreach t,$(TARGETS),$(SRC)/target/$(t)/rules.mk)
include $(SRC)/tests/rules.mk

programs := $(if $(filter softmmu/main.o,$(obj-y)),$(TARGETS:%=rhea-system-%))

all: $(programs) $(tool-programs) $(obj-y) $(foreach t,$(TARGETS),$(obj-$(t)))

# --- Compiling and linking ---

quiet = @printf '  %-7s %s\n' '$(1)' '$@';
ifeq ($(V),1)
quiet =
endif

%.o: %.c config.h config.mk | $(generated)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CPPFLAGS) $(CFLAGS) -iquote $(@D) -iquote $(SRC)/$(@D) -c -o $@ $<

rhea-system-%: $(obj-y)
	$(call quiet,LINK)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(tool-programs): %: $$($$*-objs)
	$(call quiet,LINK)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

define target_link
rhea-system-$(1): $$(obj-$(1))
endef
$(foreach t,$(TARGETS),$(eval $(call target_link,$(t))))

# A unit test links its own file and only the objects it names: <test>-objs.
define unit_link
$(1): $(1).o $$($(1)-objs)
	@mkdir -p $$(@D)
	$$(call quiet,LINK)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LIBS)
endef
$(foreach t,$(unit-tests),$(eval $(call unit_link,$(t))))

config.h config.mk: ;

-include $(shell find . -name '*.d' -type f -not -path './.git/*' -not -path './build/*' 2>/dev/null)

# --- Installing and cleaning ---

BINDIR = $(DESTDIR)$(PREFIX)/bin
DATADIR = $(DESTDIR)$(PREFIX)/share/rhea

install: all
	mkdir -p $(BINDIR) $(DATADIR)
	install -m 755 $(programs) $(tool-programs) $(BINDIR)
	install -m 644 $(wildcard $(SRC)/pc-bios/*.bin $(SRC)/pc-bios/*.elf) $(DATADIR)

clean:
	find . -name '*.[od]' -type f -not -path './.git/*' -not -path './build/*' -delete
	rm -f $(programs) $(tool-programs) $(unit-tests) $(generated)

distclean: clean
	rm -f config.mk config.h

.PHONY: all install clean distclean
