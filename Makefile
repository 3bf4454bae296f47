# Build, run, test and install aotftpd. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all
MAKEFLAGS += --no-print-directory

ARCH    := $(shell uname -m | sed -e s/x86_64/x64/ -e s/aarch64/arm64/)
RID     := linux-$(ARCH)
OUT     := $(CURDIR)/out
DESTDIR ?=
PREFIX  ?= /usr
SOURCES := $(shell find src -name '*.cs' -o -name '*.order' 2>/dev/null) aotftpd.csproj

export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1
export DOTNET_SKIP_FIRST_TIME_EXPERIENCE := 1
export AOTFTPD := $(OUT)/aotftpd

.PHONY: all deps sdk build audit order run test test-unit test-system test-clients test-long bench compare-vsftpd fuzz lint install clean help

all: deps build          ## build out/aotftpd (installs what the build needs)

build: out/aotftpd

out/aotftpd: $(SOURCES) | sdk
	tests/restore.sh aotftpd.csproj -r $(RID)
	dotnet publish aotftpd.csproj -c Release -r $(RID) -o $(OUT)/publish
	cp $(OUT)/publish/aotftpd $(OUT)/aotftpd.new
	strip $(OUT)/aotftpd.new
	mv -f $(OUT)/aotftpd.new $(OUT)/aotftpd
	@ls -l $(OUT)/aotftpd

# The zygote's files in a program whose children collect, throw and allocate; see tests/Forks.
out/forks/forks: $(SOURCES) $(wildcard tests/Forks/*.cs) tests/Forks/Forks.csproj | sdk
	tests/restore.sh tests/Forks/Forks.csproj -r $(RID)
	dotnet publish tests/Forks/Forks.csproj -c Release -r $(RID) -o $(OUT)/forks

# The product with workers that turn hostile on a test's word; see tests/Hostile.
out/hostile/aotftpd: $(SOURCES) $(wildcard tests/Hostile/*) tests/Product.props | sdk
	tests/restore.sh tests/Hostile/Hostile.csproj -r $(RID)
	dotnet publish tests/Hostile/Hostile.csproj -c Release -r $(RID) -o $(OUT)/hostile

# The product with workers that collect wherever they wait or look at a file; see tests/Soak.
out/soak/aotftpd: $(SOURCES) $(wildcard tests/Soak/*) tests/Product.props | sdk
	tests/restore.sh tests/Soak/Soak.csproj -r $(RID)
	dotnet publish tests/Soak/Soak.csproj -c Release -r $(RID) -o $(OUT)/soak

# The product's command line and state machine with a counter in each block, and a fuzzer around it; see tests/Fuzz.
out/fuzz/bin/fuzz: $(SOURCES) $(wildcard tests/Fuzz/*.cs tests/Fuzz/*.py) tests/Fuzz/Fuzz.csproj | sdk
	rm -rf out/fuzz/src
	python3 tests/Fuzz/instrument.py src out/fuzz/src
	tests/restore.sh tests/Fuzz/Fuzz.csproj -r $(RID)
	dotnet publish tests/Fuzz/Fuzz.csproj -c Release -r $(RID) -o $(OUT)/fuzz/bin

sdk:
	@dotnet --list-sdks 2>/dev/null | grep -q '^10\.' || { echo "The .NET 10 SDK is missing: 'dnf install dotnet-sdk-10.0' on Fedora; elsewhere see https://dotnet.microsoft.com/download/dotnet/10.0" >&2; exit 1; }

deps: sdk                ## install missing system packages (apt or dnf)
	@tests/deps.sh build

test-deps: deps
	@tests/deps.sh test

run: deps build          ## serve a demo tree at ftp://127.0.0.1:2121/
	@exec tests/demo.sh $(OUT)

test: test-deps build out/forks/forks out/hostile/aotftpd out/fuzz/bin/fuzz ## all tests against out/aotftpd
	@tests/run.sh unit system clients fuzz

test-unit: sdk           ## unit tests only
	@tests/run.sh unit

test-system: test-deps build out/forks/forks out/hostile/aotftpd ## system tests only (FILTER=Name for one class)
	@tests/run.sh system

test-clients: test-deps build ## FluentFTP, where it can be restored
	@tests/run.sh clients

test-long: test-deps build out/forks/forks out/hostile/aotftpd out/soak/aotftpd out/fuzz/bin/fuzz ## all tests, with those that take minutes
	@AOTFTPD_LONG=1 tests/run.sh unit system clients fuzz compare

fuzz: test-deps build out/fuzz/bin/fuzz ## the fuzzers, in process and over sockets (SECONDS=60, SEED=n)
	@tests/fuzz.sh $(or $(SECONDS),60)

audit: test-deps build   ## what each process is, live, beside vsftpd's
	@python3 tests/bench/bench.py --binary $(OUT)/aotftpd --out $(OUT)/peers --fetch
	@tests/namespace.sh tests/audit-beside.sh $(OUT)

# The clients of the benchmark.
out/load/load: $(wildcard tests/Load/*) | sdk
	dotnet publish tests/Load/Load.csproj -c Release -r $(RID) -o $(OUT)/load

bench: test-deps build out/load/load ## the same work beside vsftpd, Pure-FTPd, ProFTPD and pyftpdlib (BENCH="--only login1 --rounds 3")
	@python3 tests/bench/bench.py --binary $(OUT)/aotftpd --load $(OUT)/load/load --out $(OUT)/peers --fetch
	@tests/namespace.sh python3 tests/bench/bench.py --binary $(OUT)/aotftpd --load $(OUT)/load/load --out $(OUT)/peers $(BENCH)

order: test-deps build   ## write anew in which order the compiler lays methods out (after large changes; then build again)
	@tests/namespace.sh python3 tests/bench/order.py --binary $(OUT)/aotftpd --symbols $(OUT)/publish/aotftpd.dbg --out src/aotftpd.order

compare-vsftpd: test-deps build ## replies, data, files and logs beside the real vsftpd's
	@python3 tests/bench/bench.py --binary $(OUT)/aotftpd --out $(OUT)/peers --fetch
	@tests/namespace.sh python3 tests/compare/compare.py --binary $(OUT)/aotftpd --vsftpd $(OUT)/peers/vsftpd/usr/sbin/vsftpd

lint: sdk                ## formatting of the sources and man pages
	tests/restore.sh aotftpd.csproj
	dotnet format aotftpd.csproj --verify-no-changes --no-restore
	mandoc -Tlint -W warning man/*.[0-9]

install: build           ## install below DESTDIR
	install -D -m 755 $(OUT)/aotftpd $(DESTDIR)$(PREFIX)/sbin/aotftpd
	for page in man/*.8; do install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man8/$${page##*/}; done
	for page in man/*.7; do install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man7/$${page##*/}; done
	for page in man/*.5; do install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man5/$${page##*/}; done
	install -d -m 755 $(DESTDIR)/etc/aotftpd

clean:                   ## remove everything that was built
	rm -rf $(OUT)
	find tests -type d \( -name bin -o -name obj \) -prune -exec rm -rf {} +

help:                    ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile
