# LayerMask: `make demo` shows it, `make check` tests it, `make help` lists the rest.
#
# Variables: DEV=1 (warnings are errors), SAN=address,undefined or SAN=thread (a build apart, with
# sanitizers), CC=clang, B=DIR (build folder).

CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif
SAN ?=
comma := ,
B ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(filter clang%,$(notdir $(CC))),-clang)

ENGINE_PACKAGES := libprotobuf-c libjpeg libpng openblas
SERVER_PACKAGES := jansson nettle
TEST_PACKAGES := cmocka
packages_cflags = $(shell pkg-config --cflags $(1) 2>/dev/null)
packages_libs = $(shell pkg-config --libs $(1) 2>/dev/null)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
    -Wmissing-prototypes -Wold-style-definition -Wvla -Wpointer-arith -Wcast-qual -Wwrite-strings \
    -Wundef -Wformat=2 -Wnull-dereference
CFLAGS ?= -O3 -g
override CFLAGS += -std=c17 -D_POSIX_C_SOURCE=200809L -fno-math-errno -fno-trapping-math -ffp-contract=off -fPIC \
    -fvisibility=default $(WARNINGS)
ifdef DEV
override CFLAGS += -Werror
endif
ifneq ($(SAN),)
override CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all -O1
override LDFLAGS += -fsanitize=$(SAN)
endif

GENERATED := $(B)/generated/onnx_subset.pb-c.h
ENGINE_SOURCES := $(wildcard engine/*.c engine/*/*.c)
SERVER_SOURCES := $(wildcard server/codec/*.c server/cli/*.c)
TEST_SOURCES := $(wildcard tests/unit/test_*.c tests/property/test_*.c tests/fault/test_*.c)
ENGINE_OBJECTS := $(ENGINE_SOURCES:%.c=$(B)/%.o) $(B)/generated/onnx_subset.pb-c.o
SERVER_OBJECTS := $(filter-out $(B)/server/cli/main.o,$(SERVER_SOURCES:%.c=$(B)/%.o))
CLI_MAIN := $(wildcard server/cli/main.c)
TESTS := $(TEST_SOURCES:%.c=$(B)/%)
PROGRAMS := $(if $(CLI_MAIN),$(B)/layermask)

.PHONY: all
all: $(PROGRAMS) $(B)/liblayermask.a $(B)/liblayermask.so ## build the programs and the library

$(B)/generated/onnx_subset.pb-c.c $(B)/generated/onnx_subset.pb-c.h &: engine/onnx/onnx_subset.proto
	@mkdir -p $(B)/generated
	protoc-c --proto_path=engine/onnx --c_out=$(B)/generated onnx_subset.proto

$(B)/generated/%.o: $(B)/generated/%.c
	$(CC) $(filter-out -W%,$(CFLAGS)) $(call packages_cflags,libprotobuf-c) -c -o $@ $<

# The engine sees its own folder and the public headers, nothing of the server.
$(B)/engine/%.o: engine/%.c Makefile | $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -Iinclude -Iengine -isystem $(B)/generated \
	    $(call packages_cflags,$(ENGINE_PACKAGES)) -c -o $@ $<

# Kernels may fuse multiplications and additions; nothing else does, so that results there do not
# depend on the compiler's choices.
$(B)/engine/kernels/%.o: override CFLAGS += -ffp-contract=fast

# The kernels are compiled once for each instruction set (chosen at run time).
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
$(B)/engine/kernels/avx2.o: override CFLAGS += -mavx2 -mfma
$(B)/engine/kernels/avx512.o: override CFLAGS += -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma \
    -mprefer-vector-width=512
endif

$(B)/server/%.o: server/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -Iinclude -Iserver \
	    $(call packages_cflags,$(SERVER_PACKAGES)) -c -o $@ $<

$(B)/liblayermask.a: $(ENGINE_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/liblayermask.so: $(ENGINE_OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $^ $(call packages_libs,$(ENGINE_PACKAGES)) -lm

$(B)/layermask: $(B)/server/cli/main.o $(SERVER_OBJECTS) $(B)/liblayermask.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call packages_libs,$(ENGINE_PACKAGES) $(SERVER_PACKAGES)) -lm -pthread

$(B)/tests/%: tests/%.c $(B)/liblayermask.a $(SERVER_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes -MMD -MP -Iinclude -Iengine -Iserver -Itests/support \
	    -isystem $(B)/generated $(call packages_cflags,$(ENGINE_PACKAGES) $(SERVER_PACKAGES) $(TEST_PACKAGES)) \
	    -o $@ $< $(SERVER_OBJECTS) $(B)/liblayermask.a $(LDFLAGS) \
	    $(call packages_libs,$(ENGINE_PACKAGES) $(SERVER_PACKAGES) $(TEST_PACKAGES)) -lm -pthread

.PHONY: tests
tests: $(TESTS) $(PROGRAMS) ## build the tests without running them

.PHONY: clean
clean: ## remove what was built
	rm -rf build build-*

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  variables:   DEV=1  SAN=address,undefined|thread  CC=clang  B=DIR"

-include $(shell find $(B) -name '*.d' 2>/dev/null)
