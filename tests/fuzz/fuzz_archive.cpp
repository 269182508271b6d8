// Tar archives: the first byte chooses plain or gzip; members are listed, read, and opened as tars again.
#include "datasets/archives/archive_reader.hpp"
#include "datasets/archives/compression.hpp"
#include "datasets/packing/sources/class_archives.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::uint64_t kLimit = 1 << 20;

class Memory final : public ByteStream {
 public:
  Memory(std::span<const std::byte> bytes, bool skips) : rest_(bytes), skips_(skips) {}
  std::size_t read(std::span<std::byte> target) override {
    const std::size_t count = std::min(target.size(), rest_.size());
    std::copy_n(rest_.begin(), count, target.begin());
    rest_ = rest_.subspan(count);
    return count;
  }
  std::uint64_t skip(std::uint64_t bytes) override {
    if (!skips_) return 0;
    bytes = std::min<std::uint64_t>(bytes, rest_.size());
    rest_ = rest_.subspan(bytes);
    return bytes;
  }

 private:
  std::span<const std::byte> rest_;
  const bool skips_;
};

void read_nested(ArchiveReader& outer) {
  MemberStream stream(outer);
  ArchiveReader inner(stream, "inner", 512);
  std::vector<ArchiveMember> members;
  while (auto member = inner.next()) {
    if (member->is_file) inner.read_all(kLimit);
    members.push_back(std::move(*member));
  }
  class_items("n00000001", members, Partition::parse("hash:0.5", "val"));
}

}  // namespace
}  // namespace vitrail::datasets

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitrail::datasets;
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  const bool gzip = (data[0] & 1) != 0;
  vitrail::tests::expect_no_other_error([&] {
    Memory memory(bytes, !gzip);
    const auto plain = gzip ? decompress(memory, Compression::gzip, "outer") : nullptr;
    ArchiveReader reader(plain ? *plain : memory, "outer", 512);
    while (const auto member = reader.next()) {
      if (member->name.ends_with(".tar")) {
        read_nested(reader);
      } else if ((data[0] & 2) != 0 && member->is_file) {
        reader.read_all(kLimit);
      }
    }
  });
  return 0;
}
