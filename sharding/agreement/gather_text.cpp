#include "sharding/agreement/gather_text.hpp"

#include <algorithm>
#include <cmath>

namespace vitrail::sharding {
namespace {

constexpr char kSeparator = '\x1f';  // between exit code, message and hint

// Six characters in each double, as an integer that it holds exactly; the sums of all_reduce_sum add zeros.
constexpr std::size_t kPacked = 6;

std::size_t packed_size(double characters) {
  return (static_cast<std::size_t>(characters) + kPacked - 1) / kPacked;
}

void pack(const std::string& text, std::span<double> to) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    to[i / kPacked] += std::ldexp(static_cast<unsigned char>(text[i]), static_cast<int>(8 * (i % kPacked)));
  }
}

std::string unpack(std::span<const double> from, std::size_t length) {
  std::string text(length, '\0');
  for (std::size_t i = 0; i < length; ++i) {
    const auto six = static_cast<std::uint64_t>(from[i / kPacked]);
    text[i] = static_cast<char>((six >> (8 * (i % kPacked))) & 0xff);
  }
  return text;
}

}  // namespace

std::vector<std::string> gather_text(Communicator& communicator, const std::string& own) {
  const auto world = static_cast<std::size_t>(communicator.size());
  const auto rank = static_cast<std::size_t>(communicator.rank());
  std::vector<double> lengths(world);
  lengths[rank] = static_cast<double>(own.size());
  communicator.all_reduce_sum(lengths);
  std::vector<std::size_t> begins = {0};
  for (const double length : lengths) begins.push_back(begins.back() + packed_size(length));
  if (begins.back() == 0) return std::vector<std::string>(world);
  std::vector<double> packed(begins.back());
  pack(own, std::span(packed).subspan(begins[rank]));
  communicator.all_reduce_sum(packed);
  std::vector<std::string> texts;
  for (std::size_t r = 0; r < world; ++r) {
    texts.push_back(unpack(std::span(packed).subspan(begins[r]), static_cast<std::size_t>(lengths[r])));
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
