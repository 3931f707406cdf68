#pragma once

namespace mindspore::serving {

/// Sets up the gRPC library for this process:
/// - Its own lines go to our log, as warnings, since any client can be the cause of one. Whoever sets GRPC_VERBOSITY gets all of them as the
///   library writes them.
/// - Its mutexes do not look for deadlocks, which Debian's and Ubuntu's builds do at each locking: a tenth of a small request's time.
void SetUpGrpcLibrary();

}  // namespace mindspore::serving
