// XXH3-128 of bytes, at once or as a stream; printed as 32 hex digits, high half first (as `xxhsum -H2`).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace vitrail {

struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  std::string hex() const;
  bool operator==(const Hash128&) const = default;
};

Hash128 hash_bytes(std::span<const std::byte> bytes);
Hash128 hash_text(const std::string& text);

class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(std::span<const std::byte> bytes);
  Hash128 digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vitrail
