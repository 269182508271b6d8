#include "datasets/archives/tar_end.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr const char* kIncomplete =
    "is the download complete? Compare its size or checksum with the publisher's";

}  // namespace

void check_tar_end(const std::string& name, const std::string& last_member, std::uint64_t end,
                   std::span<const std::byte> known, ByteStream& rest) {
  std::array<std::byte, 4096> piece{};
  std::uint64_t zeros = 0;
  for (std::span<const std::byte> bytes = known;;) {
    const auto odd = std::ranges::find_if(bytes, [](std::byte b) { return b != std::byte{0}; });
    zeros += static_cast<std::uint64_t>(odd - bytes.begin());
    if (odd != bytes.end()) {
      throw Error(
          ExitCode::bad_data,
          fmt::format("{}: the archive stops at byte {}, but more follows from byte {} on", name, end,
                      end + zeros),
          "are these several archives in one file? Then give them one by one, or join them with tar -A");
    }
    if (zeros > kTarMostZeros) break;
    const std::size_t count = rest.read(piece);
    bytes = std::span(piece).first(count);
    if (count == 0) break;
  }
  if (zeros >= kTarEndMark && zeros <= kTarMostZeros) return;
  const std::string where =
      last_member.empty() ? fmt::format("byte {}", end) : fmt::format("byte {}, after {}", end, last_member);
  if (zeros > kTarMostZeros) {
    throw Error(
        ExitCode::bad_data,
        fmt::format("{}: incomplete: from {}, there are only zeros, more than the {} that end an archive",
                    name, where, kTarMostZeros),
        fmt::format(
            "{}. Only where it is, and was written in larger records (tar -b), cut them: truncate -s {}",
            kIncomplete, end + kTarEndMark));
  }
  throw Error(
      ExitCode::bad_data,
      fmt::format("{}: incomplete: it stops at {}, without the two blocks of zeros that end an archive", name,
                  where),
      kIncomplete);
}

}  // namespace vitrail::datasets
