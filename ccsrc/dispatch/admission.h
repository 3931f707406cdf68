#pragma once

#include "base/error.h"
#include "dispatch/method_info.h"
#include "wire/request.h"

namespace mindspore::serving {

/// Checks all instances of a request against the inputs that the method declares: present, of a known type, sized as
/// their shape says, one UTF-8 value for a string, nothing in shared memory. Items that the method does not declare are not looked at.
/// No error: the request may be queued.
Error CheckInstances(const Request &request, const MethodInfo &method);

Error QueueFull(uint64_t limit);

/// For what waited for a method that a restarted worker does not announce as it was.
Error MethodChanged();

/// "Request servable(<name>) method(<method>)  version(<v>) , <what> is not available"
Error NotAvailable(const Target &target, ErrorKind kind, std::string_view what);

/// Says in the log that a request was refused: a warning where it was for a limit, else for debugging only.
void LogRefusal(const Error &refusal);

}  // namespace mindspore::serving
