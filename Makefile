# Qingting. `make run` sets everything up and speaks its first sentence; `make test` passes the tests.
.PHONY: help run test check ready clean

CARGO ?= cargo
BIN := target/release/qingting

help:
	@echo "make run    set up, build, fetch the models and speak a sentence (again: seconds)"
	@echo "make test   format, lints, docs, dependency bans and every test"

# What every target needs: toolchain, binary, models.
ready:
	@scripts/setup.sh
	@$(CARGO) build --release --locked -p qingting-server
	@$(BIN) models fetch

run: ready
	@$(BIN) models list
	@$(BIN) speak "您好，这里是12345政务服务便民热线。" --out target/first-sentence.wav

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --workspace --no-deps --quiet

test:
	@scripts/setup.sh
	@$(CARGO) build --release --locked --workspace --all-targets
	@$(BIN) models fetch
	@$(MAKE) --no-print-directory check
	$(CARGO) test --release --locked --workspace

clean:
	$(CARGO) clean
