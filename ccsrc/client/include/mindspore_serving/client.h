#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#if defined(__GNUC__)
#define MINDSPORE_SERVING_CLIENT_API __attribute__((visibility("default")))
#else
#define MINDSPORE_SERVING_CLIENT_API
#endif

/// The C++ client. Needs C++17 and nothing but this header and libmindspore_serving_client:
///
///   using namespace mindspore::serving::client;
///   Client client("127.0.0.1:5500", "add", "add_common");
///   InstancesRequest request;
///   MutableInstance instance = request.AddInstance();
///   instance.Add("x1").SetData(std::vector<float>{1, 2, 3, 4}, {2, 2});
///   instance.Add("x2").SetData(std::vector<float>{1, 1, 1, 1}, {2, 2});
///   InstancesReply reply;
///   Status status = client.SendRequest(request, &reply);
///   std::vector<float> y;
///   if (status.IsSuccess()) { status = reply.GetResult()[0].Get("y").GetData(&y); }
///
/// Nothing here throws. Tensors, instances, requests and replies are handles: copies share their content, which lives as
/// long as one of them.
namespace mindspore::serving::client {

enum DataType {
  DT_UNKNOWN = 0,
  DT_UINT8,
  DT_UINT16,
  DT_UINT32,
  DT_UINT64,
  DT_INT8,
  DT_INT16,
  DT_INT32,
  DT_INT64,
  DT_BOOL,
  DT_FLOAT16,
  DT_FLOAT32,
  DT_FLOAT64,
  DT_STRING,
  DT_BYTES,
};

enum StatusCode { SUCCESS = 0, FAILED, INVALID_INPUTS, SYSTEM_ERROR, UNAVAILABLE };

/// Whether something went well, and if not, why. FAILED until said otherwise.
class MINDSPORE_SERVING_CLIENT_API Status {
 public:
  Status() = default;
  Status(enum StatusCode code, std::string message = "");  // NOLINT: a code is a status

  bool IsSuccess() const { return code_ == SUCCESS; }
  enum StatusCode StatusCode() const { return code_; }
  std::string StatusMessage() const { return message_; }
  /// By the code alone.
  bool operator==(const Status &other) const { return code_ == other.code_; }
  bool operator==(enum StatusCode code) const { return code_ == code; }
  bool operator!=(const Status &other) const { return code_ != other.code_; }
  bool operator!=(enum StatusCode code) const { return code_ != code; }
  operator bool() const = delete;

  /// Appends to the message.
  template <typename T>
  Status &operator<<(const T &value) {
    std::ostringstream text;
    text << value;
    message_ += text.str();
    return *this;
  }

 private:
  enum StatusCode code_ = FAILED;
  std::string message_;
};

MINDSPORE_SERVING_CLIENT_API std::ostream &operator<<(std::ostream &stream, const Status &status);

struct TensorContent;
struct InstanceContent;
struct RequestContent;
struct ReplyContent;

/// A value of a result. The getters replace what they are given, or return INVALID_INPUTS and leave it alone where the
/// tensor is of another type, or not valid.
class MINDSPORE_SERVING_CLIENT_API Tensor {
 public:
  /// One that is not valid.
  Tensor() = default;

  Status GetBytesData(std::vector<uint8_t> *value) const;
  Status GetStrData(std::string *value) const;
  /// The elements in C order.
  Status GetData(std::vector<uint8_t> *value) const;
  Status GetData(std::vector<uint16_t> *value) const;
  Status GetData(std::vector<uint32_t> *value) const;
  Status GetData(std::vector<uint64_t> *value) const;
  Status GetData(std::vector<int8_t> *value) const;
  Status GetData(std::vector<int16_t> *value) const;
  Status GetData(std::vector<int32_t> *value) const;
  Status GetData(std::vector<int64_t> *value) const;
  Status GetData(std::vector<bool> *value) const;
  Status GetData(std::vector<float> *value) const;
  Status GetData(std::vector<double> *value) const;
  /// The bit patterns of IEEE 754 halves.
  Status GetFp16Data(std::vector<uint16_t> *value) const;

  DataType GetDataType() const;
  /// Empty for a scalar.
  std::vector<int64_t> GetShape() const;
  bool IsValid() const;

 protected:
  explicit Tensor(std::shared_ptr<TensorContent> content);
  std::shared_ptr<TensorContent> content_;
  friend class Instance;
};

/// A value of a request. A setter replaces what was set before, or returns INVALID_INPUTS and changes nothing where the
/// shape does not fit the data.
class MINDSPORE_SERVING_CLIENT_API MutableTensor : public Tensor {
 public:
  MutableTensor() = default;

  Status SetBytesData(const std::vector<uint8_t> &value);
  /// UTF-8.
  Status SetStrData(const std::string &value);
  /// The elements in C order; an empty shape is a scalar.
  Status SetData(const std::vector<uint8_t> &value, const std::vector<int64_t> &shape);
  Status SetData(const std::vector<uint16_t> &value, const std::vector<int64_t> &shape);
  Status SetData(const std::vector<uint32_t> &value, const std::vector<int64_t> &shape);
  Status SetData(const std::vector<uint64_t> &value, const std::vector<int64_t> &shape);
  Status SetData(const std::vector<int8_t> &value, const std::vector<int64_t> &shape);
  Status SetData(const std::vector<int16_t> &value, const std::vector<int64_t> &shape);
  Status SetData(const std::vector<int32_t> &value, const std::vector<int64_t> &shape);
  Status SetData(const std::vector<int64_t> &value, const std::vector<int64_t> &shape);
  Status SetData(const std::vector<bool> &value, const std::vector<int64_t> &shape);
  Status SetData(const std::vector<float> &value, const std::vector<int64_t> &shape);
  Status SetData(const std::vector<double> &value, const std::vector<int64_t> &shape);
  /// Any number type, DT_FLOAT16 too; the bytes are copied.
  Status SetData(const void *data, size_t data_bytes_len, const std::vector<int64_t> &shape, DataType data_type);

 private:
  explicit MutableTensor(std::shared_ptr<TensorContent> content);
  friend class MutableInstance;
};

/// The named values of one instance, or why there are none.
class MINDSPORE_SERVING_CLIENT_API Instance {
 public:
  /// One that is not valid.
  Instance() = default;

  /// One that is not valid where there is no such name.
  Tensor Get(const std::string &item_name) const;
  bool IsValid() const;
  /// Whether the instance failed; then code and text are written where a pointer is given.
  bool HasErrorMsg(int64_t *error_code, std::string *error_msg) const;

 protected:
  explicit Instance(std::shared_ptr<InstanceContent> content);
  std::shared_ptr<InstanceContent> content_;
  friend class InstancesReply;
};

class MINDSPORE_SERVING_CLIENT_API MutableInstance : public Instance {
 public:
  MutableInstance() = default;

  /// The value of that name, to be set.
  MutableTensor Add(const std::string &item_name);

 private:
  explicit MutableInstance(std::shared_ptr<InstanceContent> content);
  friend class InstancesRequest;
};

class MINDSPORE_SERVING_CLIENT_API InstancesRequest {
 public:
  InstancesRequest();
  InstancesRequest(const InstancesRequest &) = default;  // and so are moves: what was moved from can still be used
  InstancesRequest &operator=(const InstancesRequest &) = default;
  MutableInstance AddInstance();

 private:
  std::shared_ptr<RequestContent> content_;
  friend class Client;
};

class MINDSPORE_SERVING_CLIENT_API InstancesReply {
 public:
  InstancesReply();
  InstancesReply(const InstancesReply &) = default;
  InstancesReply &operator=(const InstancesReply &) = default;
  /// One for each instance of the request, in order. If the whole request failed, each tells its error.
  std::vector<Instance> GetResult() const;
  /// Whether the whole request failed; then code and text are written where a pointer is given.
  bool HasErrorMsg(int64_t *error_code, std::string *error_msg) const;

 private:
  std::shared_ptr<ReplyContent> content_;
  friend class Client;
};

/// Paths of PEM files.
struct SSLConfig {
  std::string certificate;  ///< the client's certificate chain, for servers that ask for one; together with private_key
  std::string private_key;
  std::string custom_ca;  ///< the authorities the server is checked against; empty: those gRPC brings along
};

struct ClientOptions {
  std::optional<SSLConfig> ssl_config;  ///< speak TLS; the files are read when the client is made
  size_t max_send_message_bytes = size_t{512} << 20;
  size_t max_receive_message_bytes = size_t{512} << 20;
  std::chrono::milliseconds timeout{0};  ///< after which a call is given up, where it says nothing else; 0: never
};

/// Calls one method of a servable. Thread-safe; connects at the first call, and again after a lost connection.
class MINDSPORE_SERVING_CLIENT_API Client {
 public:
  /// `address` is "<host>:<port>" or "unix:<path>", where with TLS the certificate is to be for localhost. Version 0 is
  /// the newest that is running.
  Client(const std::string &address, const std::string &servable_name, const std::string &method_name,
         uint64_t version_number = 0, const ClientOptions &options = ClientOptions());
  Client(const std::string &server_ip, uint64_t server_port, const std::string &servable_name,
         const std::string &method_name, uint64_t version_number = 0, const ClientOptions &options = ClientOptions());
  ~Client();
  Client(const Client &) = delete;
  Client &operator=(const Client &) = delete;
  Client(Client &&) noexcept;
  Client &operator=(Client &&) noexcept;

  /// Sends the request and waits for the reply, for `timeout` at most unless that is 0. SUCCESS when there is a reply;
  /// what the server has to say of the request and of its instances is in there. INVALID_INPUTS, and nothing is sent,
  /// where a value was not set or the client was made with wrong arguments. FAILED with "Grpc Error, (<number>,
  /// '<name>'), <details>" where the call failed. SYSTEM_ERROR where the reply makes no sense.
  Status SendRequest(const InstancesRequest &request, InstancesReply *reply,
                     std::chrono::milliseconds timeout = std::chrono::milliseconds(0));

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mindspore::serving::client
