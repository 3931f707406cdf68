#pragma once

namespace mindspore::serving {

/// From now on the gRPC library's own log has ten lines a minute at most in this process: it writes one for each failed handshake, so anybody
/// could fill the server's output. Whoever sets GRPC_VERBOSITY gets all of it.
void LimitGrpcLog();

}  // namespace mindspore::serving
