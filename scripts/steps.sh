# shellcheck shell=bash
# Shared by the scripts beside it, which source it: steps that say what they do, log to a file and explain a failure.
# Needs `set -euo pipefail` and the working directory at the root of the repository.

log_dir=build/logs
venv=$(realpath -m "${SERVING_VENV:-.venv}")
# What is done is noted in the environment: whoever deletes it starts anew.
stamp_dir=$venv/stamps
mkdir -p "$log_dir"

# step NAME HINT COMMAND...: runs the command with its output in build/logs/NAME.log. If it fails, shows the end of that, says
# what to do (HINT) and ends the script.
step() {
  local name=$1 hint=$2 started=$SECONDS log=$log_dir/$1.log
  shift 2
  # In a subshell of its own and not as a condition, or -e would not hold inside a function that is called here.
  local code
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1
  code=$?
  set -e
  if [ "$code" -ne 0 ]; then
    fail "step '$name' failed with code $code" "$hint" "$log"
  fi
  if [ $((SECONDS - started)) -ge 2 ]; then
    echo "    done in $((SECONDS - started)) s"
  fi
}

# begin NAME COMMAND...: runs the command, a function of steps, beside what follows, to which it leaves the processors.
# finish NAME: waits for it, shows what it said, and ends the script if it failed.
declare -A begun=()
begin() {
  local name=$1
  shift
  set -m  # in a process group of its own, for stop_begun
  (
    renice -n 10 -p "$BASHPID" >/dev/null
    "$@"
  ) </dev/null >"$log_dir/$name.log" 2>&1 &
  set +m
  begun[$name]=$!
}

finish() {
  local code=0
  wait "${begun[$1]}" || code=$?
  unset "begun[$1]"
  cat "$log_dir/$1.log"
  if [ "$code" -ne 0 ]; then
    exit "$code"
  fi
}

# stop_begun: ends what was begun and not finished, for when the script ends early.
stop_begun() {
  local group
  for group in "${begun[@]}"; do
    kill -- "-$group" 2>/dev/null || true
  done
}

# say TEXT: one line of progress.
say() {
  echo "==> $*"
}

# fail WHAT HINT [LOG]
fail() {
  {
    if [ -n "${3:-}" ] && [ -f "$3" ]; then
      echo "---- the last lines of $3"
      tail -n 40 "$3"
      echo "----"
    fi
    echo "FAILED: $1"
    echo "What to do: $2"
  } >&2
  exit 1
}

# content_hash PATH...: one hash over names and contents of the files and directories, caches and compiled files left out.
content_hash() {
  find "$@" -name __pycache__ -prune -o -type f ! -name '*.so' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

# is_done NAME HASH: whether `mark_done NAME HASH` was the last one of that name.
is_done() {
  [ "$(cat "$stamp_dir/$1" 2>/dev/null)" = "$2" ]
}

mark_done() {
  mkdir -p "$stamp_dir"
  echo "$2" >"$stamp_dir/$1"
}

# missing_packages: the packages of packages-apt.txt that are not installed.
missing_packages() {
  local package
  grep -Ev '^[[:space:]]*(#|$)' packages-apt.txt | while read -r package; do
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
      echo "$package"
    fi
  done
}

install_packages() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

ensure_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "no dpkg on this system: it is up to you that what packages-apt.txt names is installed"
    return
  fi
  local missing
  mapfile -t missing < <(missing_packages)
  if [ ${#missing[@]} -eq 0 ]; then
    return
  fi
  say "installing system packages: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    fail "no right to install packages" "run as root: apt-get install ${missing[*]}"
  fi
  step system-packages "see that apt-get can reach its servers, or install these packages yourself: ${missing[*]}" \
    install_packages "${missing[@]}"
}

# usable_python: prints the newest Python from 3.10 to 3.12 that can make an environment and compile extensions.
usable_python() {
  local candidate probe='
import sys, sysconfig, os, venv, ensurepip
sys.exit(not ((3, 10) <= sys.version_info[:2] <= (3, 12) and os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))))'
  for candidate in ${SERVING_PYTHON:-python3.12 python3.11 python3.10 python3 /usr/bin/python3}; do
    if "$candidate" -c "$probe" >/dev/null 2>&1; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  return 1
}

python_version() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

# ensure_venv: the environment; one that is there already stays, if it has the Python version of SERVING_PYTHON.
ensure_venv() {
  local python wanted=${SERVING_PYTHON:-}
  if [ -n "$wanted" ]; then
    python=$(usable_python) || fail "SERVING_PYTHON is '$wanted', which is no usable Python" \
      "name a Python 3.10, 3.11 or 3.12 with its venv module and headers"
  fi
  if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    if [ -n "$wanted" ] && [ "$(python_version "$python")" != "$(python_version "$venv/bin/python")" ]; then
      fail "$venv has Python $(python_version "$venv/bin/python"), but SERVING_PYTHON is Python $(python_version "$python")" \
        "name another environment in SERVING_VENV, or delete this one"
    fi
    return
  fi
  python=$(usable_python) || fail "no usable Python" \
    "install Python 3.10, 3.11 or 3.12 with its venv module and headers (Debian: python3-venv python3-dev), or name one in SERVING_PYTHON"
  say "making the environment $venv with $python"
  step environment "look at the log; the disk may be full or $venv not writable" "$python" -m venv --clear "$venv"
}

# ensure_installed EXTRAS: the package, editable, with these extras in $venv; built anew if something that is compiled changed.
ensure_installed() {
  local extras=$1 sources requirements
  sources=$(content_hash ccsrc proto CMakeLists.txt setup.py)
  requirements=$(content_hash pyproject.toml)
  if is_done built "$sources" && is_done "requirements-$extras" "$requirements" && extensions_are_there; then
    return
  fi
  say "building the C++ extensions and installing the package with its requirements: $extras"
  echo "    (the first time some minutes; MindSpore alone is a download of 800 MB)"
  step install "look at the log: a download may have failed (run again), or the compiler (see the message)" \
    "$venv/bin/python" -m pip install --no-input --progress-bar off -v -e ".[$extras]"
  mark_done built "$sources"
  mark_done "requirements-$extras" "$requirements"
}

extensions_are_there() {
  local suffix
  suffix=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
  [ -f "mindspore_serving/server/_master/_core$suffix" ] && [ -f "mindspore_serving/server/_worker/_core$suffix" ]
}
