#include "sharding/gather_text.hpp"

#include <algorithm>

namespace vitrail::sharding {
namespace {

constexpr char kSeparator = '\x1f';  // between exit code, message and hint

}  // namespace

std::vector<std::string> gather_text(Communicator& communicator, const std::string& own) {
  const auto world = static_cast<std::size_t>(communicator.size());
  const auto rank = static_cast<std::size_t>(communicator.rank());
  std::vector<double> lengths(world);
  lengths[rank] = static_cast<double>(own.size());
  communicator.all_reduce_sum(lengths);
  std::vector<Segment> segments;
  std::int64_t total = 0;
  for (const double length : lengths) {
    segments.push_back({total, static_cast<std::int64_t>(length)});
    total += segments.back().count;
  }
  std::string all(static_cast<std::size_t>(total), '\0');
  std::copy(own.begin(), own.end(), all.begin() + segments[rank].begin);
  communicator.all_gather(std::as_writable_bytes(std::span(all)).data(), segments, DataType::u8);
  std::vector<std::string> texts;
  for (const Segment& segment : segments) {
    texts.push_back(
        all.substr(static_cast<std::size_t>(segment.begin), static_cast<std::size_t>(segment.count)));
  }
  return texts;
}

std::string outcome_of(const Error& error) {
  return fmt::format("{}{}{}{}{}", static_cast<int>(error.code()), kSeparator, error.what(), kSeparator,
                     error.hint());
}

void throw_agreed(const std::vector<std::string>& outcomes) {
  const auto first = std::find_if(outcomes.begin(), outcomes.end(), [](const auto& o) { return !o.empty(); });
  if (first == outcomes.end()) return;
  const std::size_t message = first->find(kSeparator) + 1;
  const std::size_t hint = first->find(kSeparator, message) + 1;
  const auto code = static_cast<ExitCode>(std::stoi(*first));
  throw AgreedError({code, first->substr(message, hint - 1 - message), first->substr(hint)},
                    static_cast<int>(first - outcomes.begin()));
}

}  // namespace vitrail::sharding
