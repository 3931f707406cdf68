#!/usr/bin/env bash
# Builds the fuzz targets and runs each for the given number of seconds, JOBS at once (as many as there are processors):
#   bash tests/fuzz/run.sh [-j JOBS] SECONDS [TARGET...]
# Inputs that reached something new stay in build/fuzz/corpus/ for the next time. An input that something is wrong with is
# left in build/fuzz/findings/; run it alone with build/fuzz/tests/fuzz/TARGET_fuzz FILE. SERVING_FUZZ_DIR names another
# directory than build/fuzz, CXX another Clang than clang++.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

usage="bash tests/fuzz/run.sh [-j JOBS] SECONDS [TARGET...]"
all_targets=(protobuf_request protobuf_reply protobuf_client services json_request json_reply base64 block channel dispatcher)
jobs=$(nproc)
while getopts j: option; do
  [[ $option = j && $OPTARG =~ ^[1-9][0-9]*$ ]] || fail "-j wants how many targets run at once" "$usage"
  jobs=$OPTARG
done
shift $((OPTIND - 1))
[[ ${1:-} =~ ^[1-9][0-9]*$ ]] || fail "the time for each target is missing" "$usage"
seconds=$1
shift
targets=("${@:-${all_targets[@]}}")
for target in "${targets[@]}"; do
  [[ " ${all_targets[*]} " == *" $target "* ]] || fail "there is no target '$target'" "$usage; targets are: ${all_targets[*]}"
done
fuzz_dir=${SERVING_FUZZ_DIR:-build/fuzz}
clang=${CXX:-clang++}

has_libfuzzer() {
  command -v "$clang" >/dev/null && echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char *, unsigned long) { return 0; }' |
    "$clang" -x c++ -std=c++20 -fsanitize=fuzzer,address,undefined -o "$log_dir/libfuzzer-probe" - 2>"$log_dir/clang.log"
}

ensure_clang() {
  if has_libfuzzer; then
    return
  fi
  local packages=(clang)
  # The sanitizers' and libFuzzer's library; part of another package in some releases.
  if apt-cache show libclang-rt-dev >/dev/null 2>&1; then
    packages+=(libclang-rt-dev)
  fi
  local hint="install Clang with libFuzzer (Debian, Ubuntu: apt-get install ${packages[*]}), or name one in CXX"
  command -v apt-get >/dev/null || fail "no $clang that can build with -fsanitize=fuzzer" "$hint"
  say "installing system packages: ${packages[*]}"
  step fuzz-packages "$hint" install_packages "${packages[@]}"
  has_libfuzzer || fail "$clang cannot build with -fsanitize=fuzzer" "$hint" "$log_dir/clang.log"
}

build_targets() {
  cmake -S . -B "$fuzz_dir" -G Ninja "-DCMAKE_CXX_COMPILER=$clang" -DSERVING_BUILD_FUZZERS=ON \
    -DSERVING_BUILD_EXTENSIONS=OFF -DSERVING_SANITIZE=address
  cmake --build "$fuzz_dir" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
}

# fuzz TARGET: with its log in build/logs/fuzz-TARGET.log.
fuzz() {
  local options=("-max_total_time=$seconds" -timeout=20 -rss_limit_mb=3000 -print_final_stats=1
    "-artifact_prefix=$fuzz_dir/findings/$1-")
  if [ -f "tests/fuzz/${1%%_*}.dict" ]; then
    options+=("-dict=tests/fuzz/${1%%_*}.dict")
  fi
  mkdir -p "$fuzz_dir/corpus/$1"
  env UBSAN_OPTIONS=print_stacktrace=1 "$fuzz_dir/tests/fuzz/${1}_fuzz" "${options[@]}" "$fuzz_dir/corpus/$1" "$fuzz_dir/seeds/$1" \
    >"$log_dir/fuzz-$1.log" 2>&1
}

# report TARGET CODE
report() {
  local log=$log_dir/fuzz-$1.log
  if [ "$2" -ne 0 ]; then
    tail -n 30 "$log" >&2
    echo "    $1: FAILED, see $log" >&2
    return 1
  fi
  echo "    $1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, $(sed -n 's/.*DONE *\(cov: [0-9]*\).*/\1/p' "$log")"
}

ensure_packages
ensure_clang
say "building the fuzz targets with $clang"
step fuzz-build "the log holds the compiler's message" build_targets
mkdir -p "$fuzz_dir/findings"
step fuzz-seeds "the log holds Python's message" python3 tests/fuzz/seeds.py "$fuzz_dir/seeds"

say "fuzzing for $seconds s each: ${targets[*]}"
declare -A target_of=()
failed=()
reap() {
  local pid code=0
  wait -n -p pid || code=$?
  report "${target_of[$pid]}" "$code" || failed+=("${target_of[$pid]}")
  unset "target_of[$pid]"
}
for target in "${targets[@]}"; do
  if [ ${#target_of[@]} -ge "$jobs" ]; then
    reap
  fi
  fuzz "$target" &
  target_of[$!]=$target
done
while [ ${#target_of[@]} -gt 0 ]; do
  reap
done
[ ${#failed[@]} -eq 0 ] || fail "found something wrong: ${failed[*]}" "the inputs are in $fuzz_dir/findings, the reports in $log_dir/fuzz-*.log"
say "nothing found in $SECONDS s"
