# Qingting. `make run` sets everything up and answers calls; `make test` passes the tests.
.PHONY: help run demo demo-callbacks console test check ready clean deb bundle

CARGO ?= cargo
BIN := target/release/qingting
# Most tests that take long wait for telephones and leave the processor idle.
TEST_THREADS ?= 4

help:
	@echo "make run    set up, build, fetch the models, answer calls (again: seconds)"
	@echo "make demo   place example calls and watch them become tickets"
	@echo "make demo-callbacks   call twenty citizens about closed tickets"
	@echo "make console  build console/dist anew after a change in console/ (needs Node.js)"
	@echo "make deb    a package for Debian and Ubuntu, into target/package"
	@echo "make bundle the same with models, checksums and bill of materials, for machines without a network"
	@echo "make test   format, lints, docs, dependency bans and every test"

# What every target needs: toolchain, programs, models.
ready:
	@scripts/setup.sh
	@echo "Building; then the models are fetched where they are missing (about 400 MB)"
	@$(CARGO) build --release --locked -p qingting-server -p qingting-sherpa
	@$(BIN) models fetch

run: ready
	@$(BIN) serve

demo: ready
	@$(BIN) demo

demo-callbacks: ready
	@$(BIN) demo --callbacks

deb: ready
	@scripts/package.sh

bundle: deb
	@scripts/bundle.sh

console:
	cd console && npm ci && npm run types && npm run build

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --workspace --no-deps --quiet

# Formatting, lints and docs are checked beside the tests, which leave the processor idle, and at the least priority.
test:
	@scripts/setup.sh
	@scripts/setup-tests.sh
	@scripts/console.sh
	@$(CARGO) build --release --locked --workspace --all-targets
	@$(BIN) models fetch
	@{ sleep 10; nice -n 19 $(MAKE) --no-print-directory check; } >target/check.log 2>&1 & check=$$!; \
	RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --release --locked --workspace; tests=$$?; \
	wait $$check; checks=$$?; cat target/check.log; \
	test $$tests -eq 0 -a $$checks -eq 0

clean:
	$(CARGO) clean
