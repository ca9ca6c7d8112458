# Read by dev/test, dev/quickstart and dev/lock: a Python, a virtual environment, pinned packages.

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
constraints=$checkout/dev/constraints.txt

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "error: $*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# apt_install PACKAGE...: as root only; no service is started by it.
apt_install() {
    if [ "$(id -u)" != 0 ] || ! have apt-get; then
        say "missing on this machine; as root: apt-get install --no-install-recommends $*"
        return 1
    fi
    say "installing Debian packages: $*"
    local policy=/usr/sbin/policy-rc.d own_policy='' status=0 log
    log=$(mktemp)
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && own_policy=yes
    fi
    {
        apt-get -qq update &&
            DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"
    } >"$log" 2>&1 </dev/null || status=$?
    [ -z "$own_policy" ] || rm -f "$policy"
    [ "$status" = 0 ] || tail -n 20 "$log" >&2
    rm -f "$log"
    return "$status"
}

# find_python: prints a Python that the package supports; $PYTHON, where it is set, is taken without a search.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 /usr/bin/python3}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# make_venv FOLDER: a virtual environment with pip, unless a working one is there.
make_venv() {
    local folder=$1 python
    "$folder/bin/python" -m pip --version >/dev/null 2>&1 && return
    python=$(find_python) || fail "Python 3.10 to 3.13 is needed: apt-get install python3, or set PYTHON"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        apt_install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" ||
            fail "$python cannot make virtual environments"
    fi
    rm -rf "$folder"
    mkdir -p "$(dirname "$folder")"
    say "making $folder with $("$python" --version)"
    "$python" -m venv "$folder" || fail "$python could not make a virtual environment in $folder"
}

# pip_setting PYTHON NAME: prints what pip was told, by a file or by the environment (which wins).
pip_setting() {
    "$1" -m pip config list 2>/dev/null | "$1" -c '
import ast, sys
name, found = sys.argv[1], {}
for line in sys.stdin:
    key, _, value = line.strip().partition("=")
    section, _, option = key.rpartition(".")
    if option == name and section in ("global", "install", ":env:"):
        found[section] = ast.literal_eval(value)
print(" ".join(found.get(":env:", found.get("install", found.get("global", ""))).split()))' "$2"
}

# use_settings_of_pip PYTHON: uv does not read pip's settings, and some machines reach their index by those only.
# Extra indexes are left out: everything here is on the main one, and an extra one may hold half a release.
use_settings_of_pip() {
    local value
    value=$(pip_setting "$1" index-url) && [ -n "$value" ] && export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$value}
    value=$(pip_setting "$1" trusted-host) && [ -n "$value" ] && export UV_INSECURE_HOST=${UV_INSECURE_HOST:-$value}
    value=$(pip_setting "$1" cert) && [ -n "$value" ] && export SSL_CERT_FILE=${SSL_CERT_FILE:-$value}
    export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180} UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never
}

# install_into VENV NAME UV-ARGUMENT...: pinned packages; nothing to do where the last call of that name asked for the same.
install_into() {
    local venv=$1 stamp=$1/installed-$2 wanted
    shift 2
    wanted=$(cat "$checkout/pyproject.toml" "$constraints" - <<<"$*" | sha256sum)
    [ "$wanted" != "$(cat "$stamp" 2>/dev/null)" ] || return 0
    rm -f "$stamp"
    say "installing Python packages: $*"
    if [ ! -x "$venv/bin/uv" ]; then
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$constraints" uv ||
            fail "pip could not install uv"
    fi
    use_settings_of_pip "$venv/bin/python"
    # Airflow is many processes: without bytecode each compiles it anew, where the environment forbids to keep it.
    (cd "$checkout" && VIRTUAL_ENV=$venv "$venv/bin/uv" pip install --quiet --compile-bytecode \
        --constraints "$constraints" --build-constraints "$constraints" "$@") ||
        fail "the Python packages could not be installed"
    printf '%s\n' "$wanted" >"$stamp"
}
