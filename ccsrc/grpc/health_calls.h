#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "dispatch/dispatcher.h"
#include "grpc/stream_call.h"
#include "wire/health_codec.h"

namespace mindspore::serving {

/// The status of each servable by its name, and of all together by the empty name and the name of our public service. Guarded by the
/// stream calls' lock.
class HealthStatuses {
 public:
  explicit HealthStatuses(const Dispatcher *dispatcher) : dispatcher_(dispatcher) { Refresh(); }

  /// Asks the dispatcher anew.
  void Refresh();
  /// kServiceUnknown for a name that is not known.
  ServingStatus Of(const std::string &service) const;
  const std::map<std::string, ServingStatus> &all() const { return statuses_; }

 private:
  const Dispatcher *const dispatcher_;
  std::map<std::string, ServingStatus> statuses_;
};

/// grpc.health.v1.Health/Check.
class HealthCheckCall : public StreamCall {
 public:
  HealthCheckCall(StreamContext *context, const HealthStatuses *statuses)
      : StreamCall(context, Stay::kBrief), statuses_(*statuses) {}

 private:
  void OnMessage(std::string_view message) override;
  const HealthStatuses &statuses_;
};

/// grpc.health.v1.Health/List.
class HealthListCall : public StreamCall {
 public:
  HealthListCall(StreamContext *context, const HealthStatuses *statuses)
      : StreamCall(context, Stay::kBrief), statuses_(*statuses) {}

 private:
  void OnMessage(std::string_view message) override;
  const HealthStatuses &statuses_;
};

/// grpc.health.v1.Health/Watch.
class HealthWatchCall : public StreamCall {
 public:
  HealthWatchCall(StreamContext *context, const HealthStatuses *statuses)
      : StreamCall(context, Stay::kLasting), statuses_(*statuses) {}

 private:
  void OnMessage(std::string_view message) override;
  void OnChange() override;
  void OnStop() override;
  void Tell(ServingStatus status);

  const HealthStatuses &statuses_;
  std::optional<std::string> service_;  ///< once the client has told it
  std::optional<ServingStatus> told_;
};

}  // namespace mindspore::serving
