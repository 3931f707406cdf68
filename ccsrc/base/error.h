#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace mindspore::serving {

/// What went wrong, independent of any protocol. Front ends turn it into their own status with the tables below.
enum class ErrorKind : uint8_t {
  kNone = 0,
  kBadInput,         ///< the request is malformed or does not fit the method
  kUnknownServable,  ///< no such servable, version or method
  kQueueFull,        ///< a limit on queued requests was met
  kTooLarge,         ///< a request or result does not fit a configured size
  kStageFailed,      ///< the user's function raised or returned something wrong
  kModelFailed,      ///< the model's execution failed
  kNoWorker,         ///< the servable is known but nothing can serve it now
  kDeadline,         ///< the caller's deadline passed
  kCancelled,        ///< the caller has gone
  kInternal,         ///< a fault of the server
};

/// The numbers of ErrorMsg.error_code on the wire.
enum class ErrorCode : int64_t {
  kSuccess = 0,
  kFailed = 1,
  kInvalidInputs = 2,
  kSystemError = 3,
  kWorkerUnavailable = 4,
  kServableUnavailable = 5,
};

/// An error as a value: what clients are told about one instance or one request.
struct Error {
  ErrorKind kind = ErrorKind::kNone;
  ErrorCode code = ErrorCode::kSuccess;
  std::string text;  ///< UTF-8, at most kMaxErrorTextBytes

  explicit operator bool() const { return kind != ErrorKind::kNone; }
  friend bool operator==(const Error &, const Error &) = default;
};

inline constexpr size_t kMaxErrorTextBytes = 4096;

/// An Error with the default wire code of its kind, its text limited to kMaxErrorTextBytes at a character's border and
/// freed of bytes that are not UTF-8.
Error MakeError(ErrorKind kind, std::string_view text);
Error MakeError(ErrorKind kind, ErrorCode code, std::string_view text);

ErrorCode DefaultErrorCode(ErrorKind kind);
int HttpStatus(ErrorKind kind);

/// The same text as valid UTF-8 of at most `max_bytes`: wrong bytes become U+FFFD, a cut never splits a character.
std::string LimitUtf8(std::string_view text, size_t max_bytes);
bool IsValidUtf8(std::string_view text);

/// Thrown where an Error must travel through several calls; caught where a request or an instance is answered.
class ServingError : public std::runtime_error {
 public:
  explicit ServingError(Error error) : std::runtime_error(error.text), error_(std::move(error)) {}
  ServingError(ErrorKind kind, std::string_view text) : ServingError(MakeError(kind, text)) {}
  const Error &error() const { return error_; }

 private:
  Error error_;
};

}  // namespace mindspore::serving
