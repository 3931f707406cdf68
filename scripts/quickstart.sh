#!/usr/bin/env bash
# From a clean machine to an answered request: installs what is missing, builds and installs the package with MindSpore into an
# environment of its own, exports a model, starts example/tensor_add as a server, asks it over gRPC and over HTTP, and stops it.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

example=example/tensor_add
server_log=$log_dir/quickstart-server.log
server_pid=

stop_what_is_left() {
  if [ -n "$server_pid" ] && kill -0 "$server_pid" 2>/dev/null; then
    kill -TERM "$server_pid"
    wait "$server_pid" || true
  fi
}
trap stop_what_is_left EXIT

# free_port WANTED: that port of 127.0.0.1, or another one if it is taken.
free_port() {
  "$venv/bin/python" - "$1" <<'PYTHON'
import socket, sys
for port in (int(sys.argv[1]), 0):
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            print(probe.getsockname()[1])
            break
    except OSError:
        pass
PYTHON
}

export_model() {
  (cd $example/export_model && exec "$venv/bin/python" add_model.py)
}

start_server() {
  local deadline=$((SECONDS + 120))
  "$venv/bin/python" $example/serving_server.py >"$server_log" 2>&1 &
  server_pid=$!
  until curl -s -o "$log_dir/probe" "http://$SERVING_RESTFUL_ADDRESS/"; do
    kill -0 "$server_pid" 2>/dev/null || fail "the server ended while it started" "see what it printed above, and serving_logs/" "$server_log"
    [ $SECONDS -lt $deadline ] || fail "the server was not ready within 120 s" "see what it printed above, and serving_logs/" "$server_log"
    sleep 0.1
  done
}

stop_server() {
  local code=0
  kill -TERM "$server_pid"
  wait "$server_pid" || code=$?
  server_pid=
  [ "$code" -eq 0 ] || fail "the server ended with code $code" "see what it printed above, and serving_logs/" "$server_log"
}

# No proxy on the way to this machine, for curl and for gRPC.
export no_proxy=127.0.0.1${no_proxy:+,$no_proxy}

ensure_packages
ensure_venv
ensure_installed server,mindspore

hash=$({ content_hash $example/export_model/add_model.py; "$venv/bin/python" -m pip list --format=freeze | grep '^mindspore=='; } | sha256sum)
if ! is_done example-model "$hash" || [ ! -f $example/add/1/tensor_add.mindir ]; then
  say "exporting tensor_add.mindir with MindSpore"
  step export-model "the log holds MindSpore's message" export_model
  mark_done example-model "$hash"
fi

SERVING_GRPC_ADDRESS=127.0.0.1:$(free_port 5500)
SERVING_RESTFUL_ADDRESS=127.0.0.1:$(free_port 1500)
export SERVING_GRPC_ADDRESS SERVING_RESTFUL_ADDRESS
say "starting $example/serving_server.py: gRPC on $SERVING_GRPC_ADDRESS, RESTful on $SERVING_RESTFUL_ADDRESS"
start_server

say "asking over gRPC: python $example/serving_client.py"
step client "the server's own messages are in $server_log" "$venv/bin/python" $example/serving_client.py
cat "$log_dir/client.log"

body='{"instances": [{"x1": [[1.0, 2.0], [3.0, 4.0]], "x2": [[1.0, 2.0], [3.0, 4.0]]}]}'
url=http://$SERVING_RESTFUL_ADDRESS/model/add/version/1:add_common
say "asking over HTTP: curl -X POST -d '$body' $url"
step curl "the server's own messages are in $server_log" \
  curl --fail-with-body --silent --show-error --max-time 60 -X POST -d "$body" "$url"
cat "$log_dir/curl.log"
echo

say "stopping the server"
stop_server
say "all done in $SECONDS s; run the server yourself with: $venv/bin/python $example/serving_server.py"
