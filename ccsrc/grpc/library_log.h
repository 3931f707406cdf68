#pragma once

namespace mindspore::serving {

/// From now on the lines of the gRPC library's own log are lines of ours, and limited like those: it writes one for each failed handshake, so
/// anybody could fill the server's output. Whoever sets GRPC_VERBOSITY gets all of it, as the library writes it.
void TakeLibraryLog();

}  // namespace mindspore::serving
