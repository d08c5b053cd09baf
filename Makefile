# SPDX-License-Identifier: Apache-2.0
# The two commands of the README, and what is behind them. Meson + ninja do the building.
BUILD ?= build

.PHONY: all demo test test-arm bench setup fuzz clean
all: setup
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	@ninja -C $(BUILD)

setup:
	@scripts/setup.sh

demo: all
	@scripts/demo.sh $(BUILD)

test:
	@scripts/test.sh

# 64-bit ARM, cross-compiled, under qemu-user: kernels and whole models at every level.
test-arm:
	@scripts/setup.sh arm
	@scripts/test-arm.sh

bench: all
	@scripts/bench.sh $(BUILD)

# Each libFuzzer target for FUZZ_SECONDS (600: as long as a release is fuzzed).
fuzz: setup
	@scripts/fuzz.sh

clean:
	rm -rf build build-*
