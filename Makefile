# LayerMask: `make demo` shows it, `make check` tests it, `make help` lists the rest.
#
# Variables: DEV=1 (warnings are errors), SAN=address,undefined or SAN=thread (a build apart, with
# sanitizers), CC=clang (a build apart), B=DIR (build folder), PREFIX, DESTDIR (of install).

VERSION := $(shell sed -n 's/.*LAYERMASK_VERSION "\([0-9.]*\)".*/\1/p' server/codec/version.h)
CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif
PYTHON ?= $(or $(wildcard /usr/bin/python3),python3)
SAN ?=
comma := ,
B ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(filter clang%,$(notdir $(CC))),-clang)
PREFIX ?= /usr/local

ENGINE_PACKAGES := libprotobuf-c libjpeg libpng
YARDSTICK_PACKAGES := openblas # its header; bench opens the library itself
SERVER_PACKAGES := jansson nettle
DAEMON_PACKAGES := libmicrohttpd sqlite3 zlib
TEST_PACKAGES := cmocka
packages_cflags = $(shell pkg-config --cflags $(1) 2>/dev/null)
packages_libs = $(shell pkg-config --libs $(1) 2>/dev/null)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
    -Wmissing-prototypes -Wold-style-definition -Wvla -Wpointer-arith -Wcast-qual -Wwrite-strings \
    -Wundef -Wformat=2 -Wnull-dereference
CFLAGS ?= -O3 -g
override CFLAGS += -std=c17 -D_POSIX_C_SOURCE=200809L -fno-math-errno -fno-trapping-math \
    -ffp-contract=off -fPIC $(WARNINGS)
ifdef DEV
override CFLAGS += -Werror
endif
ifneq ($(SAN),)
override CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all -O1
override LDFLAGS += -fsanitize=$(SAN)
endif

ENGINE_SOURCES := $(wildcard engine/*.c engine/*/*.c)
CODEC_SOURCES := $(wildcard server/codec/*.c)
SERVER_SOURCES := $(CODEC_SOURCES) $(filter-out server/cli/main.c,$(wildcard server/cli/*.c))
TEST_SOURCES := $(wildcard tests/unit/test_*.c tests/property/test_*.c tests/fault/test_*.c \
    tests/fuzz/test_*.c)
DAEMON_SOURCES := $(wildcard server/config/*.c server/obs/*.c server/store/*.c server/http/*.c \
    server/jobs/*.c server/api/*.c server/app*.c)
DAEMON_TEST_SOURCES := $(wildcard tests/server/*/test_*.c)
HTTP_TEST_SOURCES := $(wildcard tests/http/test_*.c)
TOOL_SOURCES := $(wildcard tests/tools/*.c)
ENGINE_OBJECTS := $(ENGINE_SOURCES:%.c=$(B)/%.o) $(B)/generated/onnx_subset.pb-c.o
CODEC_OBJECTS := $(CODEC_SOURCES:%.c=$(B)/%.o)
SERVER_OBJECTS := $(SERVER_SOURCES:%.c=$(B)/%.o)
DAEMON_OBJECTS := $(DAEMON_SOURCES:%.c=$(B)/%.o)
PROGRAMS := $(B)/layermask $(B)/layermaskd
LIBRARIES := $(B)/liblayermask.a $(B)/liblayermask.so
DAEMON_TESTS := $(DAEMON_TEST_SOURCES:%.c=$(B)/%)
HTTP_TESTS := $(HTTP_TEST_SOURCES:%.c=$(B)/%)
TESTS := $(TEST_SOURCES:%.c=$(B)/%) $(DAEMON_TESTS) $(HTTP_TESTS)
TOOLS := $(TOOL_SOURCES:%.c=$(B)/%)

.PHONY: all
all: $(PROGRAMS) $(LIBRARIES) ## build the programs and the library

# Changes when a flag does, and everything is built from it.
FLAGS := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
$(B)/flags: always
	@.ci/install-deps --look build
	$(shell mkdir -p $(B))$(file >$@.new,$(FLAGS))
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
.PHONY: always
always:

GENERATED := $(B)/generated/onnx_subset.pb-c.h
$(B)/generated/onnx_subset.pb-c.c $(GENERATED) &: engine/onnx/onnx_subset.proto $(B)/flags
	@mkdir -p $(B)/generated
	protoc-c --proto_path=engine/onnx --c_out=$(B)/generated onnx_subset.proto

$(B)/generated/%.o: $(B)/generated/%.c
	$(CC) $(filter-out -W%,$(CFLAGS)) $(call packages_cflags,libprotobuf-c) -c -o $@ $<

# The engine sees its own folder and the public headers, nothing of the server.
$(B)/engine/%.o: engine/%.c Makefile $(B)/flags | $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(KERNEL_FLAGS) -MMD -MP -Iinclude -Iengine -isystem $(B)/generated \
	    $(call packages_cflags,$(ENGINE_PACKAGES)) -c -o $@ $<

# Kernels may fuse multiplications and additions; nothing else does, so that results there do not
# depend on the compiler's choices.  They are compiled once for each instruction set (chosen at run
# time).
$(B)/engine/kernels/%.o: private KERNEL_FLAGS := -ffp-contract=fast
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine 2>/dev/null)),)
$(B)/engine/kernels/avx2.o: private KERNEL_FLAGS := -ffp-contract=fast -mavx2 -mfma
$(B)/engine/kernels/avx512.o: private KERNEL_FLAGS := -ffp-contract=fast -mavx512f -mavx512bw \
    -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
$(B)/engine/kernels/avx512_bf16.o: private KERNEL_FLAGS := -ffp-contract=fast -mavx512f \
    -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512 -mavx512bf16
$(B)/engine/kernels/amx.o: private KERNEL_FLAGS := -ffp-contract=fast -mavx512f -mavx512bw \
    -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512 -mavx512bf16 -mamx-tile -mamx-bf16
endif

$(B)/server/%.o: server/%.c Makefile $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -Iinclude -Iserver \
	    $(call packages_cflags,$(SERVER_PACKAGES) $(DAEMON_PACKAGES) $(YARDSTICK_PACKAGES)) \
	    -c -o $@ $<

$(B)/liblayermask.a: $(ENGINE_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

# The number after .so changes when programs have to be linked again.
SONAME := liblayermask.so.0
$(B)/liblayermask.so: $(ENGINE_OBJECTS) engine/liblayermask.map
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) $(if $(SAN),,-Wl$(comma)-z$(comma)defs) \
	    -Wl,--version-script=engine/liblayermask.map -o $@ $(ENGINE_OBJECTS) \
	    $(call packages_libs,$(ENGINE_PACKAGES)) -lm

$(B)/layermask: $(B)/server/cli/main.o $(SERVER_OBJECTS) $(B)/liblayermask.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call packages_libs,$(ENGINE_PACKAGES) $(SERVER_PACKAGES)) \
	    -lm -pthread

# The daemon needs no BLAS: only the command line's bench does.
$(B)/layermaskd: $(B)/server/main.o $(DAEMON_OBJECTS) $(CODEC_OBJECTS) $(B)/liblayermask.a
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ \
	    $(call packages_libs,$(ENGINE_PACKAGES) $(SERVER_PACKAGES) $(DAEMON_PACKAGES)) -lm -pthread

$(B)/server/api/assets.o: openapi.yaml server/web/index.html server/web/docs.html

# Tests see every room.
compile_test = $(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes -MMD -MP -MF $@.d -MT $@ -Iinclude \
    -Iengine -Iserver -Itests/support -isystem $(B)/generated $(call packages_cflags,$(1)) -o $@ $< \
    $(2) $(SERVER_OBJECTS) $(B)/liblayermask.a $(LDFLAGS) $(call packages_libs,$(1)) -lm -pthread

$(B)/tests/%: tests/%.c Makefile $(B)/liblayermask.a $(SERVER_OBJECTS)
	@mkdir -p $(@D)
	$(call compile_test,$(ENGINE_PACKAGES) $(SERVER_PACKAGES) $(TEST_PACKAGES))

# Tests of the daemon's rooms, which the command line does not have.
$(DAEMON_TESTS): $(B)/%: %.c Makefile $(B)/liblayermask.a $(SERVER_OBJECTS) $(DAEMON_OBJECTS)
	@mkdir -p $(@D)
	$(call compile_test,$(ENGINE_PACKAGES) $(SERVER_PACKAGES) $(DAEMON_PACKAGES) $(TEST_PACKAGES) \
	    libcurl,$(DAEMON_OBJECTS))

# Tests of the whole service, over sockets: they know the programs alone.
HTTP_TEST_PACKAGES := jansson libcurl zlib nettle sqlite3 $(TEST_PACKAGES)
$(HTTP_TESTS): $(B)/%: %.c Makefile $(B)/flags | $(PROGRAMS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes -MMD -MP -MF $@.d -MT $@ \
	    $(call packages_cflags,$(HTTP_TEST_PACKAGES)) -o $@ $< $(LDFLAGS) \
	    $(call packages_libs,$(HTTP_TEST_PACKAGES)) -lm -pthread

$(B)/tests/tools/%: tests/tools/%.c Makefile $(B)/liblayermask.a $(SERVER_OBJECTS)
	@mkdir -p $(@D)
	$(call compile_test,$(ENGINE_PACKAGES) $(SERVER_PACKAGES))

.PHONY: demo
demo: ## explain an example picture, installing what is needed
	@.ci/install-deps build
	@echo "building into $(B)"
	@$(MAKE) --no-print-directory --silent all $(B)/tests/tools/weight_on_object
	@tests/tools/demo.sh $(B)

# What python loads a library with sanitizers with.
find_runtime = $(filter /%,$(shell $(CC) -print-file-name=$(1) 2>/dev/null))
RUNTIMES := $(if $(findstring address,$(SAN)),$(or $(call find_runtime,libasan.so),$(call \
    find_runtime,libclang_rt.asan-x86_64.so)))$(if $(findstring thread,$(SAN)),$(or $(call \
    find_runtime,libtsan.so),$(call find_runtime,libclang_rt.tsan-x86_64.so)))

.PHONY: check
check: ## build and run all quick tests (WORDS: some), installing what they need
	@.ci/install-deps build check
	@echo "building into $(B)"
	@$(MAKE) --no-print-directory --silent all tests
	@$(PYTHON) tests/run.py -b $(B) -t $(if $(SAN),1200,300) --compiler "$(CC)" --preload "$(RUNTIMES)" $(WORDS)

has_word = $(strip $(foreach word,$(WORDS),$(findstring $(word),$(1))))
WANTED_TESTS := $(if $(WORDS),$(foreach test,$(TESTS),$(if $(call has_word,$(test)),$(test))),$(TESTS))
.PHONY: tests
tests: $(WANTED_TESTS) $(TOOLS) $(PROGRAMS) ## build the tests without running them

.PHONY: bench
bench: all ## print how fast it is, next to onnxruntime if it is there (12 minutes)
	@$(PYTHON) tests/bench/bench.py -b $(B) --json $(B)/bench.json

.PHONY: bench-service
bench-service: all ## print the service's figures (3 minutes)
	@$(PYTHON) tests/bench/service.py --daemon $(B)/layermaskd

.PHONY: bench-peers
bench-peers: ## install onnxruntime with pip into B, for bench
	$(PYTHON) -m venv $(B)/venv-bench
	$(B)/venv-bench/bin/pip install --quiet onnxruntime numpy

.PHONY: docs
docs: all ## draw the README's picture anew
	@$(PYTHON) docs/picture.py $(B)

.PHONY: lint
lint: ## check the form of the code; TIDY=1 runs clang-tidy, too
	clang-format --dry-run -Werror $$(git ls-files '*.[ch]')
	$(if $(TIDY),clang-tidy --quiet $(ENGINE_SOURCES) $(SERVER_SOURCES) -- -std=c17 \
	    -D_POSIX_C_SOURCE=200809L -Iinclude -Iengine -Iserver -isystem $(B)/generated)

.PHONY: install-deps
install-deps: ## install what building and testing needs (apt)
	@.ci/install-deps build check

define PKG_CONFIG
prefix=$(PREFIX)
Name: layermask
Description: Explains image classifiers with layer masking
Version: $(VERSION)
Cflags: -I$${prefix}/include
Libs: -L$${prefix}/lib -llayermask
Libs.private: -lm
Requires.private: $(ENGINE_PACKAGES)
endef
$(B)/layermask.pc: Makefile $(B)/flags always
	$(file >$@,$(PKG_CONFIG))

# Where layermaskd looks for its built-in model: in ../share of the folder that it is in.
BUILT_IN := share/layermask/models/shapes

.PHONY: install
install: all $(B)/layermask.pc ## into PREFIX (/usr/local), below DESTDIR
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin include/layermask lib/pkgconfig)
	install $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -d $(DESTDIR)$(PREFIX)/$(BUILT_IN)
	install -m 644 $(addprefix config/models/shapes/,model.onnx model.json labels.txt) \
	    $(DESTDIR)$(PREFIX)/$(BUILT_IN)
	install -m 644 include/layermask/*.h $(DESTDIR)$(PREFIX)/include/layermask
	install -m 644 $(B)/liblayermask.a $(DESTDIR)$(PREFIX)/lib
	install $(B)/liblayermask.so $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/liblayermask.so
	install -m 644 $(B)/layermask.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig

.PHONY: clean
clean: ## remove what was built
	rm -rf build build-*

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	@echo "  variables:    DEV=1  SAN=address,undefined|thread  CC=clang  B=DIR"

-include $(shell find $(B) -path $(B)/docker -prune -o -type f -name '*.d' -print 2>/dev/null)
