#include "trainer/base/hash.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace vitrail {
namespace {

TEST(Hash, EmptyInputIsXxh3sPublishedValue) {
  EXPECT_EQ(hash_bytes({}).hex(), "99aa06d3014798d86001c324468d497f");  // `xxhsum -H2` of an empty file
}

TEST(Hash, StreamEqualsWholeAtAnyCut) {
  std::vector<std::byte> bytes(5000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 31);
  for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, std::size_t{240}, std::size_t{4999}}) {
    Hasher hasher;
    hasher.update(std::span(bytes).first(cut));
    hasher.update(std::span(bytes).subspan(cut));
    EXPECT_EQ(hasher.digest(), hash_bytes(bytes)) << cut;
  }
}

}  // namespace
}  // namespace vitrail
