// A bare echo: each request is answered with its own bytes. What it manages is the most that any server on the C++ gRPC library
// can do with one thread.
//
// Usage: grpc_echo [max message bytes]. Prints "listening on 127.0.0.1:<port>" and runs until its standard input ends.

#include <cstdlib>

#include "bare_server.h"

int main(int argc, char **argv) {
  const int max_bytes = argc > 1 ? std::atoi(argv[1]) : 100 << 20;
  return ServeBare(max_bytes, [](BareCall *call) { call->Answer(call->message()); });
}
