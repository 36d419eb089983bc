# Qingting. `make run` sets everything up and starts the server; `make test` passes the tests.
.PHONY: help run demo test check bench clean

CARGO ?= cargo
BIN := target/release/qingting

help:
	@echo "make run    set up, build and start the server (a second start takes seconds)"
	@echo "make demo   call the hotline three times and watch the tickets fill"
	@echo "make test   format, lints, docs, dependency bans and every test"

# What every target needs: toolchain, binary, models.
.PHONY: ready
ready:
	@scripts/setup.sh
	@$(CARGO) build --release --locked -p qingting-server
	@$(BIN) models fetch

run: ready
	@exec $(BIN) serve

demo: ready
	@exec $(BIN) demo

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --workspace --no-deps --quiet

test:
	@scripts/setup.sh --test
	@$(CARGO) build --release --locked --workspace --all-targets
	@$(BIN) models fetch
	@$(MAKE) --no-print-directory check
	$(CARGO) test --release --locked --workspace

clean:
	$(CARGO) clean
