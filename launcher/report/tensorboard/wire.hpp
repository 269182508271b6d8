// Messages in protobuf's encoding and the records of an event file, as TensorBoard reads them. Written out
// here: LibTorch exports symbols of a protobuf of its own, of another version than any package's, and both in
// one process do not go together. Pure functions. Format: protobuf.dev/programming-guides/encoding, TFRecord.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vitrail::launcher {

class Message {
 public:
  Message& add(int field, std::int64_t value);
  Message& add(int field, double value);
  Message& add(int field, float value);
  Message& add(int field, std::string_view text);
  Message& add(int field, const Message& message) { return add(field, std::string_view(message.bytes_)); }

  const std::string& bytes() const { return bytes_; }

 private:
  void begin(int field, int type);
  void varint(std::uint64_t value);

  std::string bytes_;
};

std::uint32_t crc32c(std::string_view bytes);

// Length and content, each with its masked sum.
std::string record_of(const Message& message);

}  // namespace vitrail::launcher
