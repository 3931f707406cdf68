#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.h"
#include "dispatch/dispatcher.h"

namespace mindspore::serving {

/// The RESTful end point's way into the dispatcher, for an event loop in another language: calls have numbers, and completions are
/// collected in a queue whose descriptor the loop watches. Thread-safe.
class JsonFront {
 public:
  struct Completion {
    uint64_t call = 0;
    int http_status = 200;
    std::string body;
  };

  /// Bodies above this size are decoded in a thread of this object, so that the loop goes on meanwhile.
  static constexpr size_t kDecodeInlineBytes = 64 * 1024;

  /// `dispatcher` must outlive this object's last call: stop the dispatcher before destroying this.
  explicit JsonFront(Dispatcher *dispatcher);
  ~JsonFront();
  JsonFront(const JsonFront &) = delete;

  /// For the requests that are submitted after it.
  void set_limits(const RequestLimits &limits);
  /// Copies what it needs of `body`. The completion may be there before this returns.
  uint64_t Submit(Target target, ByteSpan body);
  /// The call will not be reported.
  void Cancel(uint64_t call);
  /// Readable while completions wait.
  int completion_fd() const { return event_.get(); }
  std::vector<Completion> TakeCompletions();
  /// Ends the decoding thread; bodies it had not decoded are answered as unavailable.
  void Stop();

 private:
  class Sink;
  struct Undecoded {
    uint64_t call;
    Target target;
    std::string body;
  };

  void Start(uint64_t call, Target target, ByteSpan body, const RequestLimits &limits);
  void DecodeLoop();
  void Report(uint64_t call, int http_status, std::string body);

  Dispatcher *const dispatcher_;
  const UniqueFd event_;
  std::mutex mutex_;
  std::condition_variable decode_wanted_;
  uint64_t next_call_ = 1;                                     // guarded by mutex_
  std::unordered_map<uint64_t, std::shared_ptr<Call>> calls_;  // guarded by mutex_
  std::vector<Completion> completions_;                        // guarded by mutex_
  std::deque<Undecoded> undecoded_;                            // guarded by mutex_
  RequestLimits limits_;                                       // guarded by mutex_
  bool stopping_ = false;                                      // guarded by mutex_
  std::thread decoder_;                                        // guarded by mutex_; last, since it uses the others
};

}  // namespace mindspore::serving
