// A bare hand-over to a second process: each message is copied into shared memory, the other process is woken, sums it up as
// float32 and wakes a thread here, which answers with the 4 bytes of the sum. Nothing is decoded. What it manages is the most that
// any server can do whose models run in processes of their own. For one request at a time.
//
// Usage: grpc_handover. Prints "listening on 127.0.0.1:<port>" and runs until its standard input ends.

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include "bare_server.h"

namespace {

constexpr size_t kMaxBytes = size_t{4} << 20;

/// What both processes see.
struct Shared {
  size_t size_bytes;
  float sum;
  alignas(64) float values[kMaxBytes / sizeof(float)];
};

class Bell {
 public:
  void Ring() const { Check(write(event_, &kOne, sizeof(kOne))); }
  void Wait() const {
    uint64_t count = 0;
    Check(read(event_, &count, sizeof(count)));
  }

 private:
  static constexpr uint64_t kOne = 1;
  static void Check(ssize_t done) {
    if (done != sizeof(kOne)) {
      std::abort();
    }
  }
  int event_ = eventfd(0, EFD_CLOEXEC);
};

float Sum(const float *values, size_t count) {
  std::array<float, 64> sums{};
  for (size_t i = 0; i + sums.size() <= count; i += sums.size()) {
    for (size_t k = 0; k < sums.size(); ++k) {
      sums[k] += values[i + k];
    }
  }
  return std::accumulate(sums.begin(), sums.end(), 0.0F);
}

[[noreturn]] void SumForEver(Shared *shared, const Bell &request, const Bell &reply) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) {
    request.Wait();
    shared->sum = Sum(shared->values, shared->size_bytes / sizeof(float));
    reply.Ring();
  }
}

void CopyTo(Shared *shared, const grpc::ByteBuffer &message) {
  std::vector<grpc::Slice> slices;
  if (!message.Dump(&slices).ok() || message.Length() > kMaxBytes) {
    std::abort();
  }
  auto *out = reinterpret_cast<std::byte *>(shared->values);
  for (const auto &slice : slices) {
    std::memcpy(out, slice.begin(), slice.size());
    out += slice.size();
  }
  shared->size_bytes = message.Length();
}

}  // namespace

int main() {
  void *memory =
    mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) {
    return 1;
  }
  auto *shared = static_cast<Shared *>(memory);
  const Bell request;
  const Bell reply;
  const pid_t child = fork();
  if (child == 0) {
    SumForEver(shared, request, reply);
  }
  std::atomic<BareCall *> waiting = nullptr;
  std::thread([&] {
    for (;;) {
      reply.Wait();
      const grpc::Slice slice(&shared->sum, sizeof(shared->sum));
      waiting.exchange(nullptr)->Answer(grpc::ByteBuffer(&slice, 1));
    }
  }).detach();
  const int code = ServeBare(kMaxBytes, [&](BareCall *call) {
    CopyTo(shared, call->message());
    waiting = call;
    request.Ring();
  });
  kill(child, SIGKILL);
  _exit(code);  // the thread still waits
}
