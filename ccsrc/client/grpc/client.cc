#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <utility>

#include "client/messages.h"
#include "grpc/message_bytes.h"

namespace mindspore::serving::client {
namespace {

constexpr char kPredictPath[] = "/mindspore.serving.proto.MSService/Predict";
constexpr std::chrono::hours kForever(24 * 365 * 100);  // a hundred years; the clock ends in the year 2262

Status ReadFile(const std::string &parameter, const std::string &path, std::string *content) {
  if (path.empty()) {
    return SUCCESS;
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  char buffer[4096];
  for (size_t size = 1; file != nullptr && size > 0;) {
    size = std::fread(buffer, 1, sizeof(buffer), file.get());
    content->append(buffer, size);
  }
  if (file == nullptr || std::ferror(file.get()) != 0) {
    return {INVALID_INPUTS, "Cannot read " + parameter + " '" + path + "': " + std::strerror(errno)};
  }
  return SUCCESS;
}

Status MakeCredentials(const std::optional<SSLConfig> &config, std::shared_ptr<grpc::ChannelCredentials> *credentials) {
  if (!config) {
    *credentials = grpc::InsecureChannelCredentials();
    return SUCCESS;
  }
  if (config->certificate.empty() != config->private_key.empty()) {
    return {INVALID_INPUTS, "The certificate and private_key should be passed at the same time"};
  }
  grpc::SslCredentialsOptions files;
  for (Status status : {ReadFile("custom_ca", config->custom_ca, &files.pem_root_certs),
                        ReadFile("certificate", config->certificate, &files.pem_cert_chain),
                        ReadFile("private_key", config->private_key, &files.pem_private_key)}) {
    if (!status.IsSuccess()) {
      return status;
    }
  }
  *credentials = grpc::SslCredentials(files);
  return SUCCESS;
}

Status CheckArguments(const std::string &address, const Target &target, const ClientOptions &options) {
  for (const auto &[parameter, value] : {std::pair("address", &address), std::pair("servable_name", &target.servable),
                                         std::pair("method_name", &target.method)}) {
    if (value->empty() || !IsValidUtf8(*value)) {
      return {INVALID_INPUTS, std::string("Parameter '") + parameter + "' should not be empty, and valid UTF-8"};
    }
  }
  if (options.timeout.count() < 0) {
    return {INVALID_INPUTS, "Parameter 'timeout' should be >= 0"};
  }
  return SUCCESS;
}

grpc::ChannelArguments ChannelArgumentsOf(const std::string &address, const ClientOptions &options) {
  const auto limit = [](size_t bytes) { return static_cast<int>(std::min<size_t>(bytes, INT_MAX)); };
  grpc::ChannelArguments arguments;
  arguments.SetMaxSendMessageSize(limit(options.max_send_message_bytes));
  arguments.SetMaxReceiveMessageSize(limit(options.max_receive_message_bytes));
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // as the Python client, which tells why
  // A path is no name that a certificate could have; newer gRPC libraries would look for it there.
  if (options.ssl_config && address.starts_with("unix:")) {
    arguments.SetSslTargetNameOverride("localhost");
  }
  return arguments;
}

// As the Python client tells it, which is how Python prints gRPC's codes.
Status FailedCall(const grpc::Status &status) {
  static constexpr const char *kNames[] = {
    "ok",        "cancelled",      "unknown",           "invalid argument",   "deadline exceeded",
    "not found", "already exists", "permission denied", "resource exhausted", "failed precondition",
    "aborted",   "out of range",   "unimplemented",     "internal",           "unavailable",
    "data loss", "unauthenticated"};
  const auto code = static_cast<size_t>(status.error_code());
  const std::string name = code < std::size(kNames) ? kNames[code] : "unknown";
  return {FAILED, "Grpc Error, (" + std::to_string(code) + ", '" + name + "'), " + status.error_message()};
}

}  // namespace

class Client::Impl {
 public:
  Impl(const std::string &address, Target target, const ClientOptions &options)
      : target_(std::move(target)), timeout_(options.timeout), made_(CheckArguments(address, target_, options)) {
    std::shared_ptr<grpc::ChannelCredentials> credentials;
    if (made_.IsSuccess()) {
      made_ = MakeCredentials(options.ssl_config, &credentials);
    }
    if (made_.IsSuccess()) {
      channel_ = grpc::CreateCustomChannel(address, credentials, ChannelArgumentsOf(address, options));
    }
  }

  Status Send(const RequestContent &request, std::chrono::milliseconds timeout, ReplyContent *reply) {
    if (!made_.IsSuccess()) {
      return made_;
    }
    if (timeout.count() < 0) {
      return {INVALID_INPUTS, "Parameter 'timeout' should be >= 0"};
    }
    std::vector<EncodedPiece> pieces;
    Status status = EncodeRequest(target_, request, &pieces);
    if (!status.IsSuccess()) {
      return status;
    }
    grpc::ByteBuffer answer;
    const grpc::Status called =
      Call(ToByteBuffer(std::move(pieces)), timeout.count() > 0 ? timeout : timeout_, &answer);
    if (!called.ok()) {
      return FailedCall(called);
    }
    std::string text;
    const grpc::Status read = ToText(answer, &text);
    if (!read.ok()) {
      return {SYSTEM_ERROR, "The server's reply cannot be read: " + read.error_message()};
    }
    return DecodeReply(std::make_shared<const std::string>(std::move(text)), request.instances.size(), reply);
  }

 private:
  grpc::Status Call(const grpc::ByteBuffer &message, std::chrono::milliseconds timeout, grpc::ByteBuffer *answer) {
    grpc::ClientContext context;
    if (timeout.count() > 0 && timeout < kForever) {
      context.set_deadline(std::chrono::system_clock::now() + timeout);
    }
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(channel_);
    const auto call = stub.PrepareUnaryCall(&context, kPredictPath, message, &queue);
    call->StartCall();
    grpc::Status status;
    call->Finish(answer, &status, nullptr);
    void *tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return status;
  }

  const Target target_;
  const std::chrono::milliseconds timeout_;
  Status made_;  // why there is no channel
  std::shared_ptr<grpc::Channel> channel_;
};

Client::Client(const std::string &address, const std::string &servable_name, const std::string &method_name,
               uint64_t version_number, const ClientOptions &options)
    : impl_(std::make_unique<Impl>(address, Target{servable_name, method_name, version_number}, options)) {}

Client::Client(const std::string &server_ip, uint64_t server_port, const std::string &servable_name,
               const std::string &method_name, uint64_t version_number, const ClientOptions &options)
    : Client(server_ip + ":" + std::to_string(server_port), servable_name, method_name, version_number, options) {}

Client::~Client() = default;
Client::Client(Client &&) noexcept = default;
Client &Client::operator=(Client &&) noexcept = default;

Status Client::SendRequest(const InstancesRequest &request, InstancesReply *reply, std::chrono::milliseconds timeout) {
  if (impl_ == nullptr) {
    return {INVALID_INPUTS, "The client was moved away"};
  }
  if (reply == nullptr) {
    return {INVALID_INPUTS, "Parameter 'reply' should not be null"};
  }
  // A reply of its own: copies of what was in `reply` before keep what they have.
  InstancesReply made;
  Status status = impl_->Send(*request.content_, timeout, made.content_.get());
  if (status.IsSuccess()) {
    *reply = made;
  }
  return status;
}

}  // namespace mindspore::serving::client
