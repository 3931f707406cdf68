#include "grpc/health_calls.h"

#include <algorithm>

#include "base/error.h"

namespace mindspore::serving {
namespace {

// Of a name in a status: clients take 8 KiB of trailers, where a byte that is not ASCII takes three.
constexpr size_t kMaxShownNameBytes = 1024;

grpc::Status Malformed() {
  return {grpc::StatusCode::INVALID_ARGUMENT, "The request is not a HealthCheckRequest message"};
}

// The service that a message asks for; none when it is malformed.
std::optional<std::string> ServiceOf(std::string_view message) {
  try {
    return DecodeHealthCheckRequest(message);
  } catch (const ServingError &) {
    return std::nullopt;
  }
}

ServingStatus StatusOf(bool ready) { return ready ? ServingStatus::kServing : ServingStatus::kNotServing; }

}  // namespace

void HealthStatuses::Refresh() {
  const auto readiness = dispatcher_->Readiness();
  const bool all_ready =
    !readiness.empty() && std::ranges::all_of(readiness, [](const auto &servable) { return servable.second; });
  statuses_ = {{"", StatusOf(all_ready)}, {"mindspore.serving.proto.MSService", StatusOf(all_ready)}};
  for (const auto &[servable, ready] : readiness) {
    statuses_[servable] = StatusOf(ready);
  }
}

ServingStatus HealthStatuses::Of(const std::string &service) const {
  const auto found = statuses_.find(service);
  return found == statuses_.end() ? ServingStatus::kServiceUnknown : found->second;
}

void HealthCheckCall::OnMessage(std::string_view message) {
  const auto service = ServiceOf(message);
  if (!service.has_value()) {
    return End(Malformed());
  }
  const ServingStatus status = statuses_.Of(*service);
  if (status == ServingStatus::kServiceUnknown) {
    return End({grpc::StatusCode::NOT_FOUND, "There is no servable " + LimitUtf8(*service, kMaxShownNameBytes)});
  }
  Send(EncodeHealthCheckResponse(status));
  End(grpc::Status::OK);
}

void HealthListCall::OnMessage(std::string_view) {
  Send(EncodeHealthListResponse({statuses_.all().begin(), statuses_.all().end()}));
  End(grpc::Status::OK);
}

void HealthWatchCall::OnMessage(std::string_view message) {
  service_ = ServiceOf(message);
  if (!service_.has_value()) {
    return End(Malformed());
  }
  OnChange();
}

void HealthWatchCall::OnChange() {
  if (service_.has_value()) {
    Tell(statuses_.Of(*service_));
  }
}

void HealthWatchCall::OnStop() {
  if (service_.has_value() && statuses_.Of(*service_) != ServingStatus::kServiceUnknown) {
    Tell(ServingStatus::kNotServing);
  }
}

void HealthWatchCall::Tell(ServingStatus status) {
  if (told_ != status) {
    told_ = status;
    Send(EncodeHealthCheckResponse(status));
  }
}

}  // namespace mindspore::serving
