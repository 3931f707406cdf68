#!/usr/bin/env bash
# Builds a wheel into output/, with its sha256 beside it. The flags are those of the original, as far as they have a meaning here.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

usage() {
  cat <<'TEXT'
Usage: bash build.sh [-h] [-j n] [-d] [-t on|off] [-a on|off] [-c on|off] [-S on|off] [-v] [-p dir] [-e gpu|ascend] [-V version]
  -j n         compilers at once (default: all processors)
  -d           debug build
  -t on|off    build and run the C++ tests as well (default: off)
  -a on|off    with the address and undefined behaviour sanitizers (default: off); Python must be started with libasan preloaded
  -c on|off    with coverage counters (default: off)
  -v           show the compiler's command lines
  -h           this text
The wheel is for the Python that the environment variable PYTHON names (default: python3).
Accepted for scripts of the original, without effect, since nothing is downloaded and MindSpore is not needed for the build:
  -S on|off    sources from a mirror       -p dir       where MindSpore is
  -e platform  build MindSpore as well     -V version   its device version
TEXT
}

bad_usage() {
  echo "build.sh: $1" >&2
  usage >&2
  exit 1
}

on_off() {
  case "$2" in
    on | off) ;;
    *) bad_usage "-$1 takes on or off, but got '$2'" ;;
  esac
}

jobs=$(nproc)
debug=off tests=off sanitize=off coverage=off verbose=off
while getopts ':hj:dt:a:c:S:vp:e:V:' option; do
  case "$option" in
    h) usage; exit 0 ;;
    j) [[ $OPTARG =~ ^[1-9][0-9]*$ ]] || bad_usage "-j takes a number above 0, but got '$OPTARG'"; jobs=$OPTARG ;;
    d) debug=on ;;
    t) on_off t "$OPTARG"; tests=$OPTARG ;;
    a) on_off a "$OPTARG"; sanitize=$OPTARG ;;
    c) on_off c "$OPTARG"; coverage=$OPTARG ;;
    S) on_off S "$OPTARG" ;;
    v) verbose=on ;;
    p) [ -d "$OPTARG" ] || bad_usage "-p takes a directory, but there is no '$OPTARG'" ;;
    e) case "$OPTARG" in gpu | ascend) ;; *) bad_usage "-e takes gpu or ascend, but got '$OPTARG'" ;; esac ;;
    V) ;;
    :) bad_usage "-$OPTARG needs a value" ;;
    *) bad_usage "unknown option -$OPTARG" ;;
  esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || bad_usage "unknown argument '$1'"

arguments=()
if [ "$debug" = on ]; then arguments+=(-DCMAKE_BUILD_TYPE=Debug); fi
if [ "$sanitize" = on ]; then arguments+=(-DSERVING_SANITIZE=address); fi
if [ "$coverage" = on ]; then arguments+=(-DCMAKE_CXX_FLAGS=--coverage); fi
if [ "$verbose" = on ]; then arguments+=(-DCMAKE_VERBOSE_MAKEFILE=ON); fi

if [ "$tests" = on ]; then
  cmake -S . -B build/cpp-tests -DSERVING_BUILD_TESTS=ON -DSERVING_BUILD_EXTENSIONS=OFF "${arguments[@]}"
  cmake --build build/cpp-tests --parallel "$jobs"
  ctest --test-dir build/cpp-tests --output-on-failure --no-tests=error
fi

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# Named one by one, so that a plain build after a special one is plain again.
if [ "$debug" = off ]; then arguments+=(-DCMAKE_BUILD_TYPE=Release); fi
if [ "$sanitize" = off ]; then arguments+=(-DSERVING_SANITIZE=); fi
if [ "$coverage" = off ]; then arguments+=(-DCMAKE_CXX_FLAGS=); fi
if [ "$verbose" = off ]; then arguments+=(-DCMAKE_VERBOSE_MAKEFILE=OFF); fi
MINDSPORE_SERVING_CMAKE_ARGS="${arguments[*]}" CMAKE_BUILD_PARALLEL_LEVEL=$jobs \
  "${PYTHON:-python3}" -m pip wheel . --no-deps --no-input -v -w "$made"
mkdir -p output
for wheel in "$made"/*.whl; do
  name=$(basename "$wheel")
  cp "$wheel" "output/$name"
  (cd output && sha256sum "$name" >"$name.sha256")
  echo "built output/$name"
done
